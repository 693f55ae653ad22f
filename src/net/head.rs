//! The head of an HTTP/1 request, before any HTTP code sees it: where it ends, and whether it can mean one thing only.
//!
//! The parser behind this is lenient (bare LF, both framing headers, repeated lengths), as are many apps, each in its own
//! way, and that is what request smuggling lives on. So a head that two parties could read differently is refused here,
//! for all listeners. What is accepted is a subset of RFC 9112, whose sections are cited.

use super::refusal::Refusal;

/// Bytes of a request's head at most, its first line and last empty line included. Twice the 64 KiB that a
/// `Last-Event-ID` may be without being an error, since no cursor ever causes an error status.
pub const MAX_HEAD: usize = 128 * 1024;

/// Field lines at most; below the 256 that the parser behind this takes.
pub const MAX_HEAD_LINES: usize = 200;

/// Bytes of a request target at most: what the URI type behind this takes.
const MAX_TARGET: usize = 65_534;

/// How long the body is (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; 0 without a body.
    Length(u64),
    /// Until the last chunk.
    Chunked,
}

/// The offset just behind the empty line that ends the head, which may begin at `from` or later.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(lf) = bytes.get(at..)?.iter().position(|&b| b == b'\n') {
        at += lf + 1;
        match bytes.get(at..)? {
            // A bare LF is refused later; here it must not be waited past.
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// Checks a whole head, its empty line included.
pub(super) fn check(head: &[u8]) -> Result<Framing, Refusal> {
    let mut lines = head.split_inclusive(|&b| b == b'\n').map(|line| {
        // RFC 9112 §2.2: a single LF MAY be taken as a line's end. Not here.
        line.strip_suffix(b"\r\n").ok_or(Refusal::Malformed("a line does not end with CR LF"))
    });
    let first = lines.next().ok_or(Refusal::Malformed("no request line"))??;
    let (version, authority) = request_line(first)?;
    let mut fields = Fields { authority, ..Fields::default() };
    for (count, line) in lines.enumerate() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if count == MAX_HEAD_LINES {
            return Err(Refusal::TooLarge);
        }
        fields.take(line)?;
    }
    fields.framing(version)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// RFC 9112 §3. The version, and the authority of a target in absolute form.
fn request_line(line: &[u8]) -> Result<(Version, Option<&[u8]>), Refusal> {
    let mut parts = line.split(|&b| b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::Malformed("the request line is not METHOD TARGET VERSION"));
    };
    if method.is_empty() || !method.iter().all(|&b| is_token(b)) {
        return Err(Refusal::Malformed("the method is not a token"));
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Refusal::Version),
        _ => return Err(Refusal::Malformed("the request line does not end with a version")),
    };
    if method == b"CONNECT" {
        return Err(Refusal::NotImplemented("no tunnels are made here"));
    }
    if target.len() > MAX_TARGET {
        return Err(Refusal::TargetTooLong);
    }
    let authority = match target {
        [b'/', ..] => None,
        b"*" if method == b"OPTIONS" => None,
        _ => Some(authority(target).ok_or(BAD_TARGET)?),
    };
    let (path, query) = target.split_at(target.iter().position(|&b| b == b'?').unwrap_or(target.len()));
    // What browsers escape in each (URL standard), and no URI type takes. A fragment is never sent, and who sees one
    // disagrees on where the path ends.
    let bad = |part: &[u8], also: &[u8]| part.iter().any(|b| b.is_ascii_control() || also.contains(b));
    if bad(path, b"<>`#") || bad(query, b"<>\"#") {
        return Err(BAD_TARGET);
    }
    Ok((version, authority))
}

/// RFC 9112 §3.2.2.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
    let rest = &target[scheme.len()..];
    let end = rest.iter().position(|&b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    (end > 0 && is_host(&rest[..end])).then_some(&rest[..end])
}

/// Not the whole grammar: nothing in it that another reader could take for the end of the host.
fn is_host(host: &[u8]) -> bool {
    !host.iter().any(|b| b" \t@/\\?#,<>\"".contains(b))
}

const BAD_TARGET: Refusal = Refusal::Malformed("the request target is not valid");

/// What is known of the field lines so far.
#[derive(Debug, Default)]
struct Fields<'a> {
    /// Of the target.
    authority: Option<&'a [u8]>,
    host: bool,
    length: Option<u64>,
    coding: bool,
}

impl Fields<'_> {
    fn take(&mut self, line: &[u8]) -> Result<(), Refusal> {
        // RFC 9112 §5.2: a folded line MUST be refused or replaced.
        if matches!(line[0], b' ' | b'\t') {
            return Err(Refusal::Malformed("a field line is folded"));
        }
        let colon = line.iter().position(|&b| b == b':');
        let (name, value) = line.split_at(colon.ok_or(Refusal::Malformed("a field line has no colon"))?);
        // RFC 9112 §5.1: white space before the colon MUST be refused.
        if name.is_empty() || !name.iter().all(|&b| is_token(b)) {
            return Err(Refusal::Malformed("a field's name is not a token"));
        }
        // RFC 9110 §5.5: CR, LF and NUL are invalid and dangerous; other controls are of no use.
        if value.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f) {
            return Err(Refusal::Malformed("a field's value has a control character"));
        }
        let value = value[1..].trim_ascii();
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.coding(value),
            _ => Ok(()),
        }
    }

    /// RFC 9112 §3.2: more than one, or an invalid one, MUST be 400.
    fn host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.host {
            return Err(Refusal::Malformed("Host is given twice"));
        }
        if !is_host(value) {
            return Err(Refusal::Malformed("Host is not valid"));
        }
        // Stricter than RFC 9112 §3.2.2, which lets the target win: whoever reads Host alone would disagree.
        if self.authority.is_some_and(|authority| authority != value) {
            return Err(Refusal::Malformed("Host differs from the request target"));
        }
        self.host = true;
        Ok(())
    }

    /// RFC 9112 §6.3: equal values MAY be merged; a sender that repeats itself is not worth the risk.
    fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::Malformed("Content-Length is given twice"));
        }
        let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        self.length = Some(number.ok_or(Refusal::Malformed("Content-Length is not a number"))?);
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.coding {
            return Err(Refusal::Malformed("Transfer-Encoding is given twice"));
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::NotImplemented("the only transfer coding is chunked"));
        }
        self.coding = true;
        Ok(())
    }

    fn framing(&self, version: Version) -> Result<Framing, Refusal> {
        if version == Version::Http11 && !self.host {
            return Err(Refusal::Malformed("Host is missing"));
        }
        match (self.length, self.coding) {
            // RFC 9112 §6.3: ought to be handled as an error.
            (Some(_), true) => Err(Refusal::Malformed("both Content-Length and Transfer-Encoding are given")),
            // RFC 9112 §6.1: MUST be treated as faulty framing.
            (None, true) if version == Version::Http10 => {
                Err(Refusal::Malformed("HTTP/1.0 has no Transfer-Encoding"))
            }
            (None, true) => Ok(Framing::Chunked),
            (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(fields: &str) -> Result<Framing, Refusal> {
        check(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())
    }

    #[test]
    fn good_heads() {
        for (fields, framing) in [
            ("", Framing::Length(0)),
            ("Content-Length: 7\r\n", Framing::Length(7)),
            ("content-length:\t7 \r\n", Framing::Length(7)),
            ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
            ("X: \u{fc}\t~\r\nY:\r\n", Framing::Length(0)),
        ] {
            assert_eq!(get(fields), Ok(framing), "{fields:?}");
        }
        for head in [
            "GET / HTTP/1.0\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a:80/b?c HTTP/1.1\r\nHost: a:80\r\n\r\n",
            "GET HTTP://[::1]:8080 HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
            "GET /a\"|^{}\\?`|' HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\u{fc}?%00\\ HTTP/1.1\r\nHost:\r\n\r\n",
        ] {
            assert_eq!(check(head.as_bytes()), Ok(Framing::Length(0)), "{head:?}");
        }
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for fields in [
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length:\r\n",
            "Content-Length: 1234567890123456789\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: chunked\r\n folded\r\n",
            " X: folded\r\n",
            "Host: b\r\n",
            "X: a\rb\r\n",
            "X: a\0b\r\n",
            "X: a\x7fb\r\n",
            "X\r\n",
            ": x\r\n",
            "X Y: z\r\n",
            "X: bare\n",
        ] {
            assert!(matches!(get(fields), Err(Refusal::Malformed(_))), "{fields:?} {:?}", get(fields));
        }
        for coding in
            ["gzip", "gzip, chunked", "chunked, chunked", "identity", "\"chunked\"", "chunked;a=b", ""]
        {
            let fields = format!("Transfer-Encoding: {coding}\r\n");
            assert!(matches!(get(&fields), Err(Refusal::NotImplemented(_))), "{coding}");
        }
    }

    #[test]
    fn bad_first_lines_are_refused() {
        for (line, status) in [
            ("GET /", 400),
            ("GET  / HTTP/1.1", 400),
            ("GET / HTTP/1.1 ", 400),
            ("GET /a b HTTP/1.1", 400),
            ("GET\t/ HTTP/1.1", 400),
            ("G(T / HTTP/1.1", 400),
            (" / HTTP/1.1", 400),
            ("GET /\x01 HTTP/1.1", 400),
            ("GET /#a HTTP/1.1", 400),
            ("GET a HTTP/1.1", 400),
            ("GET * HTTP/1.1", 400),
            ("GET ftp://a/ HTTP/1.1", 400),
            ("GET http:/// HTTP/1.1", 400),
            ("GET http://b/ HTTP/1.1", 400),
            ("GET http://x@a/ HTTP/1.1", 400),
            ("GET http://a\\@b/ HTTP/1.1", 400),
            ("GET /< HTTP/1.1", 400),
            ("GET /` HTTP/1.1", 400),
            ("GET /?\" HTTP/1.1", 400),
            (&format!("GET /{} HTTP/1.1", "x".repeat(MAX_TARGET)), 414),
            ("GET / http/1.1", 400),
            ("GET / HTTP/11", 400),
            ("PRI * HTTP/2.0", 505),
            ("GET / HTTP/0.9", 505),
            ("GET / HTTP/1.2", 505),
            ("CONNECT a:443 HTTP/1.1", 501),
        ] {
            let refusal = check(format!("{line}\r\nHost: a\r\n\r\n").as_bytes()).unwrap_err();
            assert_eq!(refusal.status(), status, "{line:?}: {refusal}");
        }
        assert!(check(b"GET / HTTP/1.1\r\n\r\n").is_err(), "no host");
        for host in ["a@b", "a/b", "a, b", "a b", "a?b"] {
            assert!(check(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).is_err(), "{host}");
        }
        assert!(check(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn lines_are_counted() {
        assert!(get(&"X: y\r\n".repeat(MAX_HEAD_LINES - 1)).is_ok());
        assert_eq!(get(&"X: y\r\n".repeat(MAX_HEAD_LINES)), Err(Refusal::TooLarge));
    }

    proptest! {
        /// Wherever the bytes are cut, the same end is found, and never before it is there.
        #[test]
        fn the_end_is_found_in_any_pieces(bytes in "[a\r\n]{0,40}", cut in 0usize..40) {
            let bytes = bytes.as_bytes();
            let cut = cut.min(bytes.len());
            let whole = end(bytes, 0);
            let pieces = end(&bytes[..cut], 0).or_else(|| end(bytes, cut.saturating_sub(3)));
            prop_assert_eq!(pieces, whole);
            if let Some(at) = whole {
                prop_assert_eq!(bytes[at - 1], b'\n');
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check(&bytes);
        }
    }
}
