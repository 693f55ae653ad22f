//! Header fields that are between the app and us, and nobody else's.

use http::HeaderName;
use http::header::{HeaderMap, Keys};

/// What the names of the fields begin with by which an app's answer opens a subscription.
const HOLD: &str = "sidestream-hold";

/// Whether this field is one of those. It is no caller's to send, since an app that gives back what it was sent would
/// then say it, and no caller's to see.
#[must_use]
pub(crate) fn is_hold(name: &HeaderName) -> bool {
    name.as_str().strip_prefix(HOLD).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The names of such fields, each once. Almost always none, and then nothing is allocated.
#[must_use]
pub(crate) fn hold_fields(headers: &HeaderMap) -> Vec<HeaderName> {
    let names: Keys<'_, _> = headers.keys();
    names.filter(|name| is_hold(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_in_any_case() {
        for (name, ours) in [
            ("Sidestream-Hold", true),
            ("sidestream-hold-timeout", true),
            ("SIDESTREAM-HOLD-X", true),
            ("sidestream-holder", false),
            ("sidestream-event", false),
            ("x-sidestream-hold", false),
        ] {
            assert_eq!(is_hold(&HeaderName::from_bytes(name.as_bytes()).unwrap()), ours, "{name}");
        }
    }
}
