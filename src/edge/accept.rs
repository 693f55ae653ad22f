//! Whether a request's `Accept` lets an event stream through (RFC 9110, section 12.5.1).

/// Whether `text/event-stream` is acceptable. No `Accept` accepts everything, and so does one that cannot be read: a
/// subscriber that is a little wrong about its headers still gets its events.
pub(super) fn allows_event_stream<'a>(values: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut best: Option<(u8, bool)> = None;
    let mut any = false;
    for range in values.flat_map(|value| value.split(|&b| b == b',')) {
        let Some((specificity, wanted)) = std::str::from_utf8(range).ok().and_then(judge) else { continue };
        any = true;
        // The most specific range decides.
        if specificity > 0 && best.is_none_or(|(most, _)| specificity > most) {
            best = Some((specificity, wanted));
        }
    }
    best.map_or(!any, |(_, wanted)| wanted)
}

/// How specifically a media range speaks of event streams (0 for not at all), and whether it wants them.
fn judge(range: &str) -> Option<(u8, bool)> {
    let mut parts = range.split(';').map(str::trim);
    let specificity = match parts.next()?.to_ascii_lowercase().as_str() {
        "" => return None,
        "text/event-stream" => 3,
        "text/*" => 2,
        "*/*" => 1,
        _ => 0,
    };
    let weight = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    let zero = weight.is_some_and(|q| q.trim().parse::<f32>().is_ok_and(|q| q <= 0.0));
    Some((specificity, !zero))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        for (accept, want) in [
            (&[][..], true),
            (&["text/event-stream"], true),
            (&["*/*"], true),
            (&["text/*;q=0.5, application/json"], true),
            (&["application/json", "TEXT/Event-Stream"], true),
            (&["text/event-stream;charset=utf-8"], true),
            (&["application/json"], false),
            (&["text/event-stream;q=0, */*"], false),
            (&["*/*;q=0"], false),
            (&["text/event-stream; q=0.001"], true),
            (&[""], true),
        ] {
            assert_eq!(allows_event_stream(accept.iter().map(|a| a.as_bytes())), want, "{accept:?}");
        }
    }
}
