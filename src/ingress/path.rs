//! From a request's target to the topic's text.
//!
//! The target is percent-decoded exactly once, and only what stands in the topic's place: a `/` that arrives encoded is
//! part of a name (and refused there), never of the route.

use pingora::http::RequestHeader;

/// What stands in the topic's place of `prefix` + topic, still encoded. None when the target is no such path.
///
/// A topic's place is one non-empty segment. The query is not part of it and is ignored. Absolute-form targets
/// (RFC 9112 §3.2.2) are routed by their path.
pub(super) fn topic_segment<'a>(request: &'a RequestHeader, prefix: &str) -> Option<&'a [u8]> {
    let target = request.raw_path();
    let target = if target.starts_with(b"/") { target } else { request.uri.path().as_bytes() };
    let rest = target.strip_prefix(prefix.as_bytes())?;
    let end = rest.iter().position(|&b| b == b'?').unwrap_or(rest.len());
    let segment = &rest[..end];
    (!segment.is_empty() && !segment.contains(&b'/')).then_some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_by_table() {
        let cases: [(&[u8], Option<&[u8]>); 16] = [
            (b"/webhooks/orders", Some(b"orders")),
            (b"/webhooks/orders?x=1&y=/z", Some(b"orders")),
            (b"/webhooks/orders?", Some(b"orders")),
            (b"/webhooks/a%2Fb", Some(b"a%2Fb")),
            (b"/webhooks/\xc3\xa9", Some(b"\xc3\xa9")),
            (b"/webhooks/\xff", Some(b"\xff")),
            (b"http://here:8081/webhooks/orders?q", Some(b"orders")),
            (b"/webhooks", None),
            (b"/webhooks/", None),
            (b"/webhooks/?topic=orders", None),
            (b"/webhooks/orders/", None),
            (b"/webhooks/a/b", None),
            (b"/webhooks//orders", None),
            (b"//webhooks/orders", None),
            (b"/Webhooks/orders", None),
            (b"*", None),
        ];
        for (target, want) in cases {
            let request = RequestHeader::build("POST", target, None).unwrap();
            assert_eq!(topic_segment(&request, "/webhooks/"), want, "{}", target.escape_ascii());
        }
    }
}
