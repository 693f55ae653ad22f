//! Answers what is under the prefix.

use pingora::Result;
use pingora::proxy::Session;

use super::problem::{self, Problem};
use super::proxy::Edge;
use super::route::Target;

/// Answers a request under the prefix, or takes its connection away ([`crate::net::take_conn`]); after that the session's
/// request must not be touched.
///
/// # Errors
/// When nothing could be written any more.
pub(super) async fn handle(_edge: &Edge, session: &mut Session, _target: Target<'_>) -> Result<()> {
    problem::answer(session, Problem::new(501, "subscriptions are not there yet")).await
}
