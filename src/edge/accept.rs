//! What of the two that are under the prefix a request's `Accept` prefers (RFC 9110, section 12.5.1).

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `text/event-stream`.
    Stream,
    /// `application/json`.
    Page,
    /// Something else alone.
    Neither,
}

/// What is preferred; a tie goes to the stream. No `Accept` accepts everything, and so does one that cannot be read: a
/// subscriber that is a little wrong about its headers still gets its events.
pub(super) fn preferred<'a>(values: impl Iterator<Item = &'a [u8]>) -> Wanted {
    let (mut stream, mut page) = (Best::default(), Best::default());
    let mut any = false;
    for range in values.flat_map(|value| value.split(|&b| b == b',')) {
        let Some((kind, weight)) = std::str::from_utf8(range).ok().and_then(read) else { continue };
        any = true;
        stream.take(specificity(&kind, "text/event-stream", "text/*"), weight);
        page.take(specificity(&kind, "application/json", "application/*"), weight);
    }
    match (stream.weight, page.weight) {
        _ if !any => Wanted::Stream,
        (stream, page) if stream > 0.0 && stream >= page => Wanted::Stream,
        (_, page) if page > 0.0 => Wanted::Page,
        _ => Wanted::Neither,
    }
}

/// The weight that the most specific range gives a type.
#[derive(Default)]
struct Best {
    specificity: u8,
    weight: f32,
}

impl Best {
    fn take(&mut self, specificity: u8, weight: f32) {
        if specificity > self.specificity {
            (self.specificity, self.weight) = (specificity, weight);
        }
    }
}

/// A media range in lower case, without its parameters, and its weight. What is no number counts as 1.
fn read(range: &str) -> Option<(String, f32)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().filter(|kind| !kind.is_empty())?.to_ascii_lowercase();
    let weight = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    let weight = weight.and_then(|q| q.trim().parse::<f32>().ok()).filter(|q| q.is_finite());
    Some((kind, weight.map_or(1.0, |q| q.clamp(0.0, 1.0))))
}

/// How specifically a media range speaks of a type, 0 for not at all.
fn specificity(range: &str, kind: &str, family: &str) -> u8 {
    match range {
        range if range == kind => 3,
        range if range == family => 2,
        "*/*" => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted::{Neither, Page, Stream};
    use super::*;

    #[test]
    fn by_table() {
        for (accept, want) in [
            (&[][..], Stream),
            (&["text/event-stream"], Stream),
            (&["*/*"], Stream),
            (&["text/*;q=0.5, text/html"], Stream),
            (&["application/json", "TEXT/Event-Stream"], Stream),
            (&["text/event-stream;charset=utf-8"], Stream),
            (&["text/event-stream; q=0.001"], Stream),
            (&["application/json, text/plain, */*"], Stream),
            (&["application/json"], Page),
            (&["Application/JSON; charset=utf-8"], Page),
            (&["application/*"], Page),
            (&["text/*;q=0.5, application/json"], Page),
            (&["application/json, text/event-stream;q=0.9"], Page),
            (&["application/json, */*;q=0.1"], Page),
            (&["text/event-stream;q=0, */*"], Page),
            (&["text/event-stream, application/json;q=0.9"], Stream),
            (&["text/event-stream;q=0, application/json;q=0"], Neither),
            (&["text/html"], Neither),
            (&["*/*;q=0"], Neither),
            (&[""], Stream),
            (&["text/event-stream;q=x"], Stream),
        ] {
            assert_eq!(preferred(accept.iter().map(|a| a.as_bytes())), want, "{accept:?}");
        }
    }
}
