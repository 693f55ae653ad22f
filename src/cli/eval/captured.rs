//! Reads a request that was captured: what a tool has written down of one, or a person has typed.
//!
//! Lines of the head may end with CRLF or LF. The body begins after the first empty line and is taken byte by byte, since
//! most signatures are over its bytes: `Content-Length` says where it ends, or its chunks do, or else the file.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// Header fields at most: as many as the listener takes.
const FIELDS: usize = 256;

/// A request as it was captured.
#[derive(Debug)]
pub(super) struct Request {
    pub method: Method,
    /// As in the request line.
    pub target: String,
    pub headers: HeaderMap,
    /// Without its framing.
    pub body: Vec<u8>,
    /// Bytes in the file behind the end that `Content-Length` or the last chunk says.
    pub left: usize,
}

/// Why a file holds no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CaptureError {
    #[error("it is empty; expected a request line such as POST /webhooks/github HTTP/1.1")]
    Empty,
    #[error("line {0} is no request line; expected one such as POST /webhooks/github HTTP/1.1")]
    RequestLine(usize),
    #[error("line {0} is no header field; expected Name: value, or an empty line before the body")]
    Field(usize),
    #[error("it has more than {FIELDS} header fields")]
    TooManyFields,
    #[error("there is no empty line after the header fields, which begins the body")]
    NoEnd,
    #[error("Content-Length is there more than once, or is no number")]
    Length,
    #[error("Content-Length says {expected} bytes, and the body has {got}; it was cut off")]
    Short { expected: usize, got: usize },
    #[error("both Content-Length and Transfer-Encoding are there; no server takes such a request")]
    TwoFramings,
    #[error("Transfer-Encoding is something else than chunked")]
    Coding,
    #[error(
        "its chunks end at byte {0} of the body, where none begins; if the body is written down without them, take \
         Transfer-Encoding out"
    )]
    Chunk(usize),
}

/// Reads a request.
pub(super) fn parse(file: &[u8]) -> Result<Request, CaptureError> {
    let mut lines = Lines { rest: file, number: 0 };
    // RFC 9112 §2.2: empty lines before it are passed over.
    let line = loop {
        match lines.next() {
            None if lines.rest.is_empty() => return Err(CaptureError::Empty),
            None => return Err(CaptureError::NoEnd),
            Some([]) => {}
            Some(line) => break line,
        }
    };
    let (method, target) = request_line(line).ok_or(CaptureError::RequestLine(lines.number))?;
    let mut headers = HeaderMap::new();
    loop {
        match lines.next() {
            None => return Err(CaptureError::NoEnd),
            Some([]) => break,
            Some(line) => {
                let (name, value) = field(line).ok_or(CaptureError::Field(lines.number))?;
                if headers.len() == FIELDS {
                    return Err(CaptureError::TooManyFields);
                }
                headers.append(name, value);
            }
        }
    }
    let (body, left) = body(&headers, lines.rest)?;
    Ok(Request { method, target, headers, body, left })
}

/// The lines of a head, without their ends.
struct Lines<'a> {
    rest: &'a [u8],
    /// Of the line that came last, from 1.
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let (line, rest) = line(self.rest)?;
        self.rest = rest;
        self.number += 1;
        Some(line)
    }
}

/// The first line and what is behind it. None where no line ends.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', text)?;
    let line = &text[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &text[end + 1..]))
}

/// Method and target. Of a version that is left out, or is not of HTTP/1, nothing depends.
fn request_line(line: &[u8]) -> Option<(Method, String)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let method = Method::from_bytes(words.next()?.as_bytes()).ok()?;
    let target = words.next().filter(|target| !target.is_empty())?;
    let version = words.next().is_none_or(|version| version.starts_with("HTTP/"));
    (version && words.next().is_none()).then(|| (method, target.to_owned()))
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = memchr::memchr(b':', line)?;
    let value = line[colon + 1..].trim_ascii();
    Some((HeaderName::from_bytes(&line[..colon]).ok()?, HeaderValue::from_bytes(value).ok()?))
}

/// The body without its framing, and how much is behind it.
fn body(headers: &HeaderMap, rest: &[u8]) -> Result<(Vec<u8>, usize), CaptureError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if headers.contains_key(CONTENT_LENGTH) {
            return Err(CaptureError::TwoFramings);
        }
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(CaptureError::Coding);
        }
        return chunked(rest);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok((rest.to_vec(), 0)) };
    let digits = length.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let expected = digits.and_then(|digits| digits.parse().ok()).ok_or(CaptureError::Length)?;
    if lengths.next().is_some() {
        return Err(CaptureError::Length);
    }
    match rest.get(..expected) {
        Some(body) => Ok((body.to_vec(), rest.len() - expected)),
        None => Err(CaptureError::Short { expected, got: rest.len() }),
    }
}

/// Chunks (RFC 9112 §7.1), to the last one and its trailer.
fn chunked(whole: &[u8]) -> Result<(Vec<u8>, usize), CaptureError> {
    let mut body = Vec::new();
    let mut rest = whole;
    loop {
        let wrong = || CaptureError::Chunk(whole.len() - rest.len());
        let (head, behind) = line(rest).ok_or_else(wrong)?;
        let digits = head.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'));
        let size = digits.and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or_else(wrong)?;
        if size == 0 {
            return Ok((body, trailer(behind).len()));
        }
        body.extend_from_slice(behind.get(..size).ok_or_else(wrong)?);
        rest = match line(&behind[size..]) {
            Some(([], rest)) => rest,
            _ => return Err(CaptureError::Chunk(whole.len() - behind.len() + size)),
        };
    }
}

/// What is behind the trailer. Its fields are not looked at, and its end may be missing.
fn trailer(mut rest: &[u8]) -> &[u8] {
    loop {
        match line(rest) {
            None => return &[],
            Some(([], behind)) => return behind,
            Some((_, behind)) => rest = behind,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "POST /webhooks/a?b=c HTTP/1.1\nHost: x\nX-A: 1\nX-A:  2 \n";

    #[test]
    fn heads_end_lines_either_way_and_bodies_are_as_they_are() {
        for head in [HEAD.to_owned(), HEAD.replace('\n', "\r\n"), format!("\r\n\n{HEAD}")] {
            let end = if head.contains("\r\nHost") { "\r\n" } else { "\n" };
            let request = parse(format!("{head}{end}\r\n one\n\r\n").as_bytes()).unwrap();
            assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/webhooks/a?b=c"));
            assert_eq!(request.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
            assert_eq!((request.body.as_slice(), request.left), (&b"\r\n one\n\r\n"[..], 0));
        }
        for line in ["GET / HTTP/2", "GET /", "OPTIONS * HTTP/1.1", "POST https://h/webhooks/a HTTP/3"] {
            assert!(parse(format!("{line}\n\n").as_bytes()).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_length_ends_the_body() {
        let with = |length: &str, body: &str| parse(format!("{HEAD}{length}\n\n{body}").as_bytes());
        let request = with("content-length: 4", "four\n").unwrap();
        assert_eq!((request.body.as_slice(), request.left), (&b"four"[..], 1));
        assert_eq!(
            with("Content-Length: 5", "four").unwrap_err(),
            CaptureError::Short { expected: 5, got: 4 }
        );
        for wrong in ["Content-Length: +4", "Content-Length:", "Content-Length: 4\nContent-Length: 4"] {
            assert_eq!(with(wrong, "four").unwrap_err(), CaptureError::Length, "{wrong}");
        }
    }

    #[test]
    fn chunks_are_joined() {
        let with = |body: &str| parse(format!("{HEAD}Transfer-Encoding: Chunked\n\n{body}").as_bytes());
        for body in [
            "4\r\nfour\r\n2;x=y\r\n\r\n\r\n0\r\n\r\n",
            "4\nfour\n02 \n\r\n\n0\nTrailer: x\n\n",
            "4\nfour\n2\n\r\n\n0\n",
        ] {
            let request = with(body).unwrap();
            assert_eq!((request.body.as_slice(), request.left), (&b"four\r\n"[..], 0), "{body:?}");
        }
        assert_eq!(with("0\r\n\r\nmore").unwrap().left, 4);
        for (body, at) in
            [("", 0), ("{}", 0), ("5\nfour", 0), ("3\nfour\n0\n", 5), ("4\nfour\n", 7), ("+4\nfour\n0\n", 0)]
        {
            assert_eq!(with(body).unwrap_err(), CaptureError::Chunk(at), "{body:?}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_by_its_line() {
        let error = |text: &str| parse(text.as_bytes()).unwrap_err();
        assert_eq!(error(""), CaptureError::Empty);
        assert_eq!(error("\r\n\r\n"), CaptureError::Empty);
        assert_eq!(error("POST /a HTTP/1.1"), CaptureError::NoEnd);
        assert_eq!(error("POST /a HTTP/1.1\nHost: x\n"), CaptureError::NoEnd);
        for line in ["{\"id\":7}", "POST", "POST ", "POST  /a", "POST /a HTTP/1.1 x", "POST /a b", "é /a"] {
            assert_eq!(error(&format!("{line}\n\n")), CaptureError::RequestLine(1), "{line}");
        }
        for line in ["Host", "Host : x", ": x", " folded", "a: \u{1}"] {
            assert_eq!(
                error(&format!("POST /a HTTP/1.1\nA: b\n{line}\n\n")),
                CaptureError::Field(3),
                "{line}"
            );
        }
        assert_eq!(error(&format!("POST /a\n{}\n", "A: b\n".repeat(257))), CaptureError::TooManyFields);
        let two = "POST /a\nTransfer-Encoding: chunked\nContent-Length: 1\n\n";
        assert_eq!(error(two), CaptureError::TwoFramings);
        assert_eq!(error("POST /a\nTransfer-Encoding: gzip, chunked\n\n"), CaptureError::Coding);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        /// Noise behind a good head reaches the framings.
        #[test]
        fn no_body_panics(chunked in any::<bool>(), body in "[0-9a-f;+\r\n ]{0,40}") {
            let framing = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 7" };
            let _ = parse(format!("{HEAD}{framing}\n\n{body}").as_bytes());
        }
    }
}
