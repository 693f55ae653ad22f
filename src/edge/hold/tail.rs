//! Whether the app's body ends where an event may begin.

/// Bytes of a body's end that say so: a line's end has at most two, and the one before them belongs to the line before.
const KEPT: usize = 3;

/// The end of a body, as it comes in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    last: [u8; KEPT],
    /// How many of `last` there are, at its end.
    count: usize,
}

impl Tail {
    /// The next piece of the body.
    pub fn see(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        self.last.rotate_left(bytes.len());
        self.last[KEPT - bytes.len()..].copy_from_slice(bytes);
        self.count = (self.count + bytes.len()).min(KEPT);
    }

    /// What must follow the body before an event may: nothing when it is empty or its last line is blank, else the rest of a
    /// line's end and a blank line. "Lines must be separated by either a CRLF pair, a single LF, or a single CR" (HTML,
    /// section 9.2.5).
    pub fn missing(&self) -> &'static [u8] {
        let body = &self.last[KEPT - self.count..];
        let Some(line) = without_line_end(body) else {
            return if body.is_empty() { b"" } else { b"\n\n" };
        };
        match (line.last(), body.last()) {
            // The line is blank: nothing, or another line's end, is before its own.
            (None | Some(b'\n' | b'\r'), _) => b"",
            // The first LF only makes a CRLF of it.
            (_, Some(b'\r')) => b"\n\n",
            _ => b"\n",
        }
    }
}

fn without_line_end(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_suffix(b"\r\n").or_else(|| bytes.strip_suffix(b"\n")).or_else(|| bytes.strip_suffix(b"\r"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn missing(body: &[u8]) -> &'static [u8] {
        let mut tail = Tail::default();
        tail.see(body);
        tail.missing()
    }

    #[test]
    fn by_table() {
        for (body, expected) in [
            (&b""[..], &b""[..]),
            (b"data: a\n\n", b""),
            (b"data: a\r\n\r\n", b""),
            (b"data: a\r\r", b""),
            (b"data: a\n\r\n", b""),
            (b"data: a\r\n\n", b""),
            (b"\n", b""),
            (b"\r\n", b""),
            (b"\r", b""),
            (b"data: a\n", b"\n"),
            (b"data: a\r\n", b"\n"),
            (b"data: a\r", b"\n\n"),
            (b"data: a", b"\n\n"),
            (b":", b"\n\n"),
            (b":\n", b"\n"),
            (b"a\n", b"\n"),
        ] {
            assert_eq!(missing(body), expected, "{}", body.escape_ascii());
        }
    }

    /// The lines of a whole body, as the standard splits them; true when a parser stands between two events at its end.
    fn is_between(body: &[u8]) -> bool {
        let text = String::from_utf8(body.to_vec()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
        text.is_empty() || text == "\n" || text.ends_with("\n\n")
    }

    proptest! {
        #[test]
        fn what_is_missing_and_no_more(pieces in prop::collection::vec("[a\r\n]{0,4}", 0..6)) {
            let mut tail = Tail::default();
            for piece in &pieces {
                tail.see(piece.as_bytes());
            }
            let mut body = pieces.concat().into_bytes();
            prop_assert_eq!(tail.missing().is_empty(), is_between(&body));
            prop_assert_eq!(tail.missing(), missing(&body));
            body.extend_from_slice(tail.missing());
            prop_assert!(is_between(&body));
        }
    }
}
