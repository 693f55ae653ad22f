//! GET: did you ask for this subscription? Meta's webhooks, and `WebSub` (W3C Recommendation, section 5.3).

use http::StatusCode;

use super::{Query, Refused, Reply, Settings, is_any};

/// The answer to a GET request with this query, without its `?`; none where it is no handshake that is taken here.
///
/// # Errors
/// [`Refused`].
pub fn get(query: &str, settings: &Settings) -> Result<Option<Reply>, Refused> {
    if settings.topics.is_empty() && settings.verify_tokens.is_empty() {
        return Ok(None);
    }
    let query = Query::read(query)?;
    let Some(mode) = query.get("hub.mode")? else { return Ok(None) };
    match query.get("hub.topic")? {
        Some(topic) => websub(mode, topic, &query, settings).map(Some),
        None => meta(mode, &query, settings).map(Some),
    }
}

/// "Verification Requests" of Meta's Graph API: the token is the one that was entered there.
fn meta(mode: &str, query: &Query<'_>, settings: &Settings) -> Result<Reply, Refused> {
    let token = query.get("hub.verify_token")?.unwrap_or_default();
    if !is_any(&settings.verify_tokens, token) {
        return Err(Refused::Token);
    }
    if mode != "subscribe" {
        return Err(Refused::Malformed("hub.mode is not subscribe"));
    }
    Reply::echo(query.get("hub.challenge")?.unwrap_or_default())
}

/// Confirms what the settings want: a subscription to a topic of theirs, and the end of one to any other. Whoever knows the
/// callback's address can have a hub ask, so a topic that is wanted is never unsubscribed from. How long the lease is
/// (`hub.lease_seconds`) is the business of whoever subscribed.
fn websub(mode: &str, topic: &str, query: &Query<'_>, settings: &Settings) -> Result<Reply, Refused> {
    if settings.topics.is_empty() {
        return Err(Refused::Topic);
    }
    let wanted = settings.topics.iter().any(|own| **own == *topic);
    match mode {
        "subscribe" if wanted => Reply::echo(query.get("hub.challenge")?.unwrap_or_default()),
        "unsubscribe" if !wanted => Reply::echo(query.get("hub.challenge")?.unwrap_or_default()),
        // §5.2: the hub only lets know that it will not send. There is no challenge.
        "denied" if wanted => Ok(Reply::empty(StatusCode::OK, Vec::new())),
        "subscribe" | "unsubscribe" | "denied" => Err(Refused::Topic),
        _ => Err(Refused::Malformed("hub.mode is not subscribe, unsubscribe or denied")),
    }
}
