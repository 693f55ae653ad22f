//! From a request's target to the source it is for.
//!
//! Paths are compared as they stand on the wire: a configured path holds nothing that would have to be encoded. Only what
//! stands in a topic's place is percent-decoded, and exactly once; a `/` that arrives encoded is part of a name (and
//! refused there), never of the route. The query is not part of a path. Absolute-form targets (RFC 9112 §3.2.2) are
//! routed by their path.

use std::collections::HashMap;
use std::fmt;

use pingora::http::RequestHeader;

/// Bytes of a source's path. It is compared with every request's.
const PATH_BYTES: usize = 256;

/// What every path of the ingress begins with.
const ROOT: &str = "/webhooks/";

/// What stands in the topic's place in a configured path.
const TOPIC: &str = "{topic}";

/// The path of a source, below `/webhooks/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SourcePath {
    /// This path, with or without one slash at its end.
    Exact(Box<str>),
    /// One more segment behind this prefix, which ends with a slash: the topic.
    Topic(Box<str>),
}

/// Why a text is no [`SourcePath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is elsewhere.
    #[error("expected a path below {ROOT}, which is all that the ingress serves")]
    Elsewhere,
    /// Over [`PATH_BYTES`].
    #[error("expected a path of at most {PATH_BYTES} bytes")]
    TooLong,
    /// An empty or relative segment, or a character that would be encoded on the wire.
    #[error(
        "expected segments of A-Z a-z 0-9 . _ ~ and - between its slashes, none of them empty or . or .."
    )]
    Segment,
    /// `{topic}` elsewhere than as the last segment.
    #[error("expected {TOPIC} as the last segment, whole, or not at all")]
    Topic,
}

impl SourcePath {
    /// The path of the source that is there when none is configured.
    #[must_use]
    pub fn standard() -> Self {
        Self::Topic(ROOT.into())
    }

    /// Reads a configured path such as `/webhooks/github` or `/webhooks/shop/{topic}`.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let below = text.strip_prefix(ROOT).ok_or(PathError::Elsewhere)?;
        let (segments, last) = below.rsplit_once('/').map_or((None, below), |(s, l)| (Some(s), l));
        segments.into_iter().flat_map(|s| s.split('/')).try_for_each(segment)?;
        if last == TOPIC {
            return Ok(Self::Topic(text[..text.len() - TOPIC.len()].into()));
        }
        segment(last).map(|()| Self::Exact(text.into()))
    }
}

impl SourcePath {
    /// Whether a request for this source may be for a path that is `prefix` or below it. `prefix` does not end with a slash.
    #[must_use]
    pub fn meets(&self, prefix: &str) -> bool {
        let below = |path: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self {
            Self::Exact(path) => below(path),
            // All of its topics are below the prefix, or the prefix is one of them.
            Self::Topic(folder) => {
                below(folder)
                    || prefix
                        .strip_prefix(&**folder)
                        .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
            }
        }
    }
}

fn segment(text: &str) -> Result<(), PathError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-');
    match text {
        "" | "." | ".." => Err(PathError::Segment),
        _ if text.bytes().all(allowed) => Ok(()),
        _ if text.contains(['{', '}']) => Err(PathError::Topic),
        _ => Err(PathError::Segment),
    }
}

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Topic(prefix) => write!(f, "{prefix}{TOPIC}"),
        }
    }
}

/// Which source a path is for, by the sources' indices.
#[derive(Debug, Default)]
pub(super) struct Routes {
    exact: HashMap<Box<[u8]>, usize>,
    /// By prefix.
    topics: HashMap<Box<[u8]>, usize>,
}

/// A request that is for a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Routed {
    /// The source's index.
    pub(super) source: usize,
    /// The bytes of the target that stand in the topic's place, still encoded, as a range of [`path_of`].
    pub(super) topic: Option<(usize, usize)>,
}

impl Routes {
    /// The routes of sources with these paths. Of two with one path the first is reached.
    pub(super) fn of<'a>(paths: impl Iterator<Item = &'a SourcePath>) -> Self {
        let mut routes = Self::default();
        for (index, path) in paths.enumerate() {
            let (map, path) = match path {
                SourcePath::Exact(path) => (&mut routes.exact, path),
                SourcePath::Topic(prefix) => (&mut routes.topics, prefix),
            };
            map.entry(path.as_bytes().into()).or_insert(index);
        }
        routes
    }

    /// The source that a request is for. A path that is written out comes before one that holds a topic.
    pub(super) fn find(&self, head: &RequestHeader) -> Option<Routed> {
        self.find_path(path_of(head))
    }

    /// The source that a path is of, as it stands on the wire.
    pub(super) fn find_path(&self, path: &[u8]) -> Option<Routed> {
        if !self.exact.is_empty() {
            let exact = path.strip_suffix(b"/").unwrap_or(path);
            if let Some(&source) = self.exact.get(exact) {
                return Some(Routed { source, topic: None });
            }
        }
        let begin = path.iter().rposition(|&b| b == b'/')? + 1;
        let &source = self.topics.get(&path[..begin])?;
        (begin < path.len()).then_some(Routed { source, topic: Some((begin, path.len())) })
    }
}

/// The path of a request's target, still encoded, without its query.
pub(super) fn path_of(head: &RequestHeader) -> &[u8] {
    let target = head.raw_path();
    let target = if target.starts_with(b"/") { target } else { head.uri.path().as_bytes() };
    let end = target.iter().position(|&b| b == b'?').unwrap_or(target.len());
    &target[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_by_table() {
        for text in
            ["/webhooks/github", "/webhooks/a/b-c_d~e.f", "/webhooks/{topic}", "/webhooks/shop/{topic}"]
        {
            assert_eq!(SourcePath::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(SourcePath::parse("/webhooks/{topic}"), Ok(SourcePath::standard()));
        let long = format!("/webhooks/{}", "a".repeat(PATH_BYTES));
        for (text, error) in [
            ("", PathError::Elsewhere),
            ("/github", PathError::Elsewhere),
            ("/webhooks", PathError::Elsewhere),
            ("webhooks/github", PathError::Elsewhere),
            ("/webhooks/", PathError::Segment),
            ("/webhooks/a/", PathError::Segment),
            ("/webhooks//a", PathError::Segment),
            ("/webhooks/../a", PathError::Segment),
            ("/webhooks/a%20b", PathError::Segment),
            ("/webhooks/a?b", PathError::Segment),
            ("/webhooks/é", PathError::Segment),
            ("/webhooks/{topic}/a", PathError::Topic),
            ("/webhooks/a{topic}", PathError::Topic),
            ("/webhooks/{name}", PathError::Topic),
            (&long, PathError::TooLong),
        ] {
            assert_eq!(SourcePath::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn paths_that_meet_a_prefix() {
        for (path, prefix, want) in [
            ("/webhooks/github", "/topics", false),
            ("/webhooks/github", "/webhooks", true),
            ("/webhooks/github", "/webhooks/github", true),
            ("/webhooks/github/a", "/webhooks/github", true),
            ("/webhooks/githubs", "/webhooks/github", false),
            ("/webhooks/github", "/webhooks/github/live", false),
            ("/webhooks/github", "/webhook", false),
            ("/webhooks/{topic}", "/webhooks", true),
            ("/webhooks/{topic}", "/webhooks/live", true),
            ("/webhooks/{topic}", "/webhooks/live/v1", false),
            ("/webhooks/shop/{topic}", "/webhooks/shop", true),
            ("/webhooks/shop/{topic}", "/webhooks/live", false),
            ("/webhooks/shop/{topic}", "/webhooks/sho", false),
        ] {
            assert_eq!(SourcePath::parse(path).unwrap().meets(prefix), want, "{path} {prefix}");
        }
    }

    fn find(routes: &Routes, target: &[u8]) -> Option<(usize, Option<Vec<u8>>)> {
        let request = RequestHeader::build("POST", target, None).unwrap();
        let routed = routes.find(&request)?;
        Some((routed.source, routed.topic.map(|(begin, end)| path_of(&request)[begin..end].to_vec())))
    }

    #[test]
    fn the_standard_route_by_table() {
        let routes = Routes::of([SourcePath::standard()].iter());
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
            let want = want.map(|topic| (0, Some(topic.to_vec())));
            assert_eq!(find(&routes, target), want, "{}", target.escape_ascii());
        }
    }

    #[test]
    fn several_routes_by_table() {
        type Want = Option<(usize, Option<&'static [u8]>)>;
        let paths =
            ["/webhooks/github", "/webhooks/{topic}", "/webhooks/shop/{topic}", "/webhooks/shop/paid"];
        let paths = paths.map(|path| SourcePath::parse(path).unwrap());
        let routes = Routes::of(paths.iter());
        let cases: [(&[u8], Want); 10] = [
            (b"/webhooks/github", Some((0, None))),
            (b"/webhooks/github/", Some((0, None))),
            (b"/webhooks/github/?a=b", Some((0, None))),
            (b"/webhooks/git%68ub", Some((1, Some(b"git%68ub")))),
            (b"/webhooks/github//", None),
            (b"/webhooks/orders", Some((1, Some(b"orders")))),
            (b"/webhooks/shop/new", Some((2, Some(b"new")))),
            (b"/webhooks/shop/paid", Some((3, None))),
            (b"/webhooks/shop", Some((1, Some(b"shop")))),
            (b"/webhooks/other/new", None),
        ];
        for (target, want) in cases {
            let want = want.map(|(source, topic)| (source, topic.map(<[u8]>::to_vec)));
            assert_eq!(find(&routes, target), want, "{}", target.escape_ascii());
        }
    }
}
