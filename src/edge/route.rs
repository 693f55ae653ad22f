//! Where a request goes: the prefix's subscribers, or the app.
//!
//! Decided on the target's bytes as they came. Nothing is decoded or tidied up first: what only *would* be under the
//! prefix after that (`//topics`, `/%74opics`, `/a/../topics`) goes to the app, which then sees exactly those bytes and
//! decides for itself. So edge and app can't read one target in two ways.

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// To a subscription.
    Topics(Target<'a>),
    /// To the app.
    App,
}

/// What of the target is behind the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The rest of the path, not decoded: empty, or `/` and more.
    pub rest: &'a [u8],
    /// The query behind `?`, not decoded.
    pub query: Option<&'a [u8]>,
}

/// Routes a target in origin form. `prefix` starts with `/` and does not end with one, and is matched by whole segments.
pub(super) fn route<'a>(prefix: &str, target: &'a [u8]) -> Route<'a> {
    let (path, query) = match target.iter().position(|&b| b == b'?') {
        Some(mark) => (&target[..mark], Some(&target[mark + 1..])),
        None => (target, None),
    };
    match path.strip_prefix(prefix.as_bytes()) {
        Some(rest) if rest.is_empty() || rest[0] == b'/' => Route::Topics(Target { rest, query }),
        _ => Route::App,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_segments_of_the_bytes_as_they_came() {
        let topics = |rest, query| Route::Topics(Target { rest, query });
        for (target, expected) in [
            (&b"/topics"[..], topics(&b""[..], None)),
            (b"/topics/", topics(b"/", None)),
            (b"/topics/a%2Fb", topics(b"/a%2Fb", None)),
            (b"/topics?topic=a", topics(b"", Some(b"topic=a"))),
            (b"/topics/a?b?/topics", topics(b"/a", Some(b"b?/topics"))),
            (b"/topics/../admin", topics(b"/../admin", None)),
            (b"/topicsx", Route::App),
            (b"/topics%2Fa", Route::App),
            (b"/topics;a=b", Route::App),
            (b"//topics/a", Route::App),
            (b"/%74opics/a", Route::App),
            (b"/a/../topics", Route::App),
            (b"/./topics", Route::App),
            (b"\\topics", Route::App),
            (b"/TOPICS", Route::App),
            (b"/?/topics", Route::App),
            (b"/", Route::App),
            (b"*", Route::App),
            (b"", Route::App),
        ] {
            assert_eq!(route("/topics", target), expected, "{}", target.escape_ascii());
        }
        assert_eq!(route("/a/b", b"/a/b/c"), topics(b"/c", None));
        assert_eq!(route("/a/b", b"/a"), Route::App);
    }
}
