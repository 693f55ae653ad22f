//! A webhook, and the request that it becomes.
//!
//! The body's bytes are the sender's, still packed if they came so. Of the head, the end-to-end fields stay, each with its
//! value's bytes and its name as it was written; fields of one name stay in order, and so do the names among themselves by
//! their first line. What belongs to one hop alone goes, what tells who asked is told anew, and the length is said in
//! bytes. So an app can verify the signature itself.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use pingora::Result;
use pingora::http::RequestHeader;

use super::settings::To;
use crate::net::http::{Way, add_via, is_about_caller, is_loop, origin_form};

/// A verified webhook, as it came. Not to be printed: it holds signatures and credentials.
#[derive(Clone)]
pub struct Webhook<'a> {
    /// Its head.
    pub head: &'a RequestHeader,
    /// How it came here.
    pub way: Way,
    /// Its body, before any decompression.
    pub body: Bytes,
}

/// A request for the app, but for where it goes. Not to be printed either.
pub(super) struct Outgoing {
    head: RequestHeader,
    pub body: Bytes,
}

/// One that waits. A parsed head takes several times the bytes it has, in maps, names and values, and each value keeps the
/// whole buffer that it was read into: what waits is the text alone, and is parsed anew for each attempt.
pub(super) struct Kept {
    /// The request line without its version, then a line per field, each ended by [`LINE_END`], which stands in none.
    head: Box<[u8]>,
    body: Bytes,
}

const LINE_END: u8 = b'\n';
/// Between a field's name and its value; in no name.
const NAME_END: u8 = b':';
/// Between the method and the target; in no method.
const METHOD_END: u8 = b' ';

/// RFC 9110 §7.6.1, and what older senders and RFC 9113 §8.2.2 add to it.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Whether a field is for one hop alone: by its name, or because `Connection` names it.
pub(super) fn is_hop_by_hop(name: &HeaderName, headers: &HeaderMap) -> bool {
    let named = |value: &[u8]| {
        value
            .split(|&b| b == b',')
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    HOP_BY_HOP.contains(&name.as_str())
        || headers.get_all(header::CONNECTION).iter().any(|value| named(value.as_bytes()))
}

impl Outgoing {
    /// None when the webhook has been here too often.
    pub(super) fn new(webhook: Webhook<'_>, to: &To) -> Option<Result<Self>> {
        (!is_loop(webhook.head)).then(|| Self::build(webhook, to))
    }

    fn build(Webhook { head: came, way, body }: Webhook<'_>, to: &To) -> Result<Self> {
        let target = origin_form(came.raw_path());
        let target = target.as_ref().map_or(came.raw_path(), |(_, origin)| origin);
        let mut head = RequestHeader::build(came.method.clone(), target, Some(came.headers.len() + 5))?;
        let stays = |name: &HeaderName| {
            // What was waited for has been said, and the length is written anew.
            let ours = *name == header::EXPECT || *name == header::CONTENT_LENGTH;
            !ours && !is_about_caller(name) && !is_hop_by_hop(name, &came.headers)
        };
        if came.has_case() {
            for ((name, value), written) in
                came.headers.iter().zip(came.case_header_iter().map(|(name, _)| name))
            {
                if stays(name) {
                    head.append_header(Bytes::copy_from_slice(written.as_slice()), value.clone())?;
                }
            }
        } else {
            for (name, value) in came.headers.iter().filter(|(name, _)| stays(name)) {
                head.append_header(name.clone(), value.clone())?;
            }
        }
        way.tell(&mut head, &to.server().authority())?;
        add_via(&mut head, came.version)?;
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
        Ok(Self { head, body })
    }

    /// The head as `to` gets it.
    pub(super) fn head(&self, to: &To) -> Result<RequestHeader> {
        let mut head = self.head.clone();
        if let To::Url(url) = to {
            head.set_raw_path(url.target().as_bytes())?;
            head.insert_header(header::HOST, url.host().clone())?;
        }
        Ok(head)
    }

    /// To wait with.
    pub(super) fn keep(self) -> Kept {
        let Self { head, body } = self;
        let fields =
            || head.case_header_iter().zip(head.headers.values()).map(|((name, _), value)| (name, value));
        let (method, target) = (head.method.as_str().as_bytes(), head.raw_path());
        let lines: usize = fields().map(|(name, value)| name.as_slice().len() + value.len() + 2).sum();
        let mut flat = Vec::with_capacity(method.len() + target.len() + 2 + lines);
        push(&mut flat, method, METHOD_END, target);
        for (name, value) in fields() {
            push(&mut flat, name.as_slice(), NAME_END, value.as_bytes());
        }
        Kept { head: flat.into_boxed_slice(), body }
    }
}

fn push(flat: &mut Vec<u8>, first: &[u8], end: u8, second: &[u8]) {
    flat.extend_from_slice(first);
    flat.push(end);
    flat.extend_from_slice(second);
    flat.push(LINE_END);
}

impl Kept {
    /// To be sent once.
    pub(super) fn outgoing(&self) -> Result<Outgoing> {
        let mut lines = self.head.split_inclusive(|&byte| byte == LINE_END);
        let (method, target) = pair(lines.next().unwrap_or_default(), METHOD_END);
        let mut head = RequestHeader::build(method, target, Some(lines.clone().count()))?;
        for line in lines {
            let (name, value) = pair(line, NAME_END);
            head.append_header(Bytes::copy_from_slice(name), value)?;
        }
        Ok(Outgoing { head, body: self.body.clone() })
    }

    /// Bytes of it in memory.
    pub(super) fn size(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// The two parts of a line.
fn pair(line: &[u8], end: u8) -> (&[u8], &[u8]) {
    let line = line.strip_suffix(&[LINE_END]).unwrap_or(line);
    let at = line.iter().position(|&byte| byte == end).unwrap_or(line.len());
    (&line[..at], line.get(at + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Upstream, UpstreamScheme};

    fn kept(head: &RequestHeader, body: &Bytes) -> Kept {
        let to = To::Server(Upstream::Tcp { scheme: UpstreamScheme::Http, host: "app".into(), port: 80 });
        let webhook = Webhook { head, way: Way::default(), body: body.clone() };
        Outgoing::new(webhook, &to).unwrap().unwrap().keep()
    }

    #[test]
    fn what_waits_keeps_its_bytes_and_no_buffer_they_came_in() {
        // As a connection's buffer, which the values are parts of.
        let buffer = Bytes::from(vec![b'v'; 64 << 10]);
        let mut head = RequestHeader::build("POST", b"/webhooks/github", None).unwrap();
        for n in 0..100 {
            let value = http::HeaderValue::from_maybe_shared(buffer.slice(n * 100..n * 100 + 100)).unwrap();
            head.append_header(format!("X-Field-{n:03}"), value).unwrap();
        }
        let kept = kept(&head, &Bytes::from_static(b"body"));
        drop(head);
        assert!(buffer.is_unique(), "the buffer can go");
        // The lines, the request line, and what is told of the way.
        let lines = 100 * ("X-Field-000:\n".len() + 100);
        assert!((lines..lines + 200).contains(&kept.size()), "{}", kept.size());
    }

    #[test]
    fn what_waited_is_what_came() {
        let mut head = RequestHeader::build("POST", b"/a:b?c=%20:d", None).unwrap();
        let fields: [(&'static str, &[u8]); 6] = [
            ("hOST", b"a:80"),
            ("X-Same", b"1"),
            ("X-Empty", b""),
            ("x-same", b" : \t2"),
            ("X-Latin", b"caf\xe9 \x80\xff"),
            ("!#$%&'*+-.^_`|~", b"odd"),
        ];
        for (name, value) in fields {
            head.append_header(name, value).unwrap();
        }
        let body = Bytes::from_static(b"\0\n");
        let to = To::Server(Upstream::Tcp { scheme: UpstreamScheme::Http, host: "app".into(), port: 80 });
        let webhook = Webhook { head: &head, way: Way::default(), body: body.clone() };
        let came = Outgoing::new(webhook, &to).unwrap().unwrap();
        let wire = |outgoing: &Outgoing| {
            let mut wire = Vec::new();
            outgoing.head.header_to_h1_wire(&mut wire);
            (outgoing.head.method.clone(), outgoing.head.raw_path().to_vec(), wire)
        };
        let before = wire(&came);
        let kept = came.keep();
        for _ in 0..2 {
            let sent = kept.outgoing().unwrap();
            assert_eq!(wire(&sent), before);
            assert_eq!(sent.body, body);
        }
    }
}
