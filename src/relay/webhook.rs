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

    /// Bytes of it in memory.
    pub(super) fn size(&self) -> usize {
        let fields: usize = self.head.headers.iter().map(|(n, v)| n.as_str().len() + v.len()).sum();
        self.head.raw_path().len() + fields + self.body.len()
    }
}
