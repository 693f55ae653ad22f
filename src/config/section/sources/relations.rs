//! What of a source does not go together, or comes to nothing.

use super::At;
use crate::config::written::show_size;
use crate::content::handshake::EventGrid;
use crate::ingress::{Source, SourcePath};
use crate::verify::Handshake;

/// Refuses or warns of what is sound by itself and not beside the rest.
pub(super) fn check(source: &Source, at: &mut At<'_, '_, '_>) {
    let limits = &source.limits;
    if let (Some(came), Some(unpacked)) = (limits.max_body, limits.max_unpacked)
        && unpacked < came
    {
        let message = format!(
            "less than max_body ({}): a body would be refused for being packed that is taken as it is; expected at least that",
            show_size(came)
        );
        at.refuse_together(&["max_unpacked", "max_body"], message);
    }
    handshakes(source, at);
    if let (SourcePath::Topic(_), false, false) =
        (&source.path, source.takes_our_headers(), source.signs_its_target())
    {
        let message = format!(
            "{} does not sign the path: whoever has captured a request can send it again to any topic; a path without \
             {{topic}}, and a topic made of the body, can't be changed",
            source.scheme.name()
        );
        at.check.warn(&[&at.key("path"), &at.key("verify")], message);
    }
}

/// Questions that are granted to everybody, or to nobody.
fn handshakes(source: &Source, at: &mut At<'_, '_, '_>) {
    let settings = &source.handshake;
    match settings.event_grid {
        EventGrid::Verified if source.scheme.is_none() => {
            let message = "verify: none verifies nothing; expected a verifier, such as query, or a parameter with a secret here";
            at.refuse_together(&["handshake.event_grid", "verify"], message);
        }
        EventGrid::Query { .. } if source.scheme.is_none() => {
            let message = "this guards the question alone: webhooks are taken from whoever reaches the path; \
                 verify: { query: { parameter: NAME, secrets: [ { env: NAME } ] } } guards both, with event_grid: verified";
            at.check.warn(&[&at.key("handshake.event_grid"), &at.key("verify")], message);
        }
        _ => {}
    }
    if settings.rate.is_some() && settings.origins.is_empty() {
        let message = "granted to nobody: there are no origins; expected some, or no rate";
        at.refuse_together(&["handshake.rate", "handshake.origins"], message);
    }
    let hub = source.scheme.is_none() || source.scheme.facts().handshake == Some(Handshake::WebSub);
    if !settings.topics.is_empty() && !hub {
        let message = format!(
            "hubs are told that they may send, and what they send is refused: {} is not how hubs sign; expected verify: \
             {{ websub: … }}",
            source.scheme.name()
        );
        at.check.warn(&[&at.key("handshake.topics"), &at.key("verify")], message);
    }
}
