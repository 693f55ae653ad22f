//! The forms of a request's target (RFC 9112, section 3.2).

/// The origin form of an absolute target (RFC 9112 §3.2.2), with its authority; none for every other form.
pub(crate) fn origin_form(target: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    if target.starts_with(b"/") || target == b"*" {
        return None;
    }
    let start = target.windows(3).position(|w| w == b"://")? + 3;
    let rest = &target[start..];
    let end = rest.iter().position(|&b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let mut origin = Vec::with_capacity(path.len() + 1);
    if !path.starts_with(b"/") {
        origin.push(b'/');
    }
    origin.extend_from_slice(path);
    Some((authority, origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_targets_have_an_origin_form() {
        for (target, authority, origin) in [
            ("http://a:80/topics/x?y", "a:80", "/topics/x?y"),
            ("HTTP://[::1]:8080//b", "[::1]:8080", "//b"),
            ("https://a", "a", "/"),
            ("http://a?b", "a", "/?b"),
        ] {
            let (found, path) = origin_form(target.as_bytes()).unwrap();
            assert_eq!((found, path.as_slice()), (authority.as_bytes(), origin.as_bytes()), "{target}");
        }
        assert_eq!(origin_form(b"/a://b"), None);
        assert_eq!(origin_form(b"*"), None);
    }
}
