//! Sources that the public listener serves as well.

use pingora::http::RequestHeader;

use super::app::Ingress;
use super::route::path_of;
use super::source::Exposure;
use crate::net::http::{Answer, Incoming};

impl Ingress {
    /// Whether a path, as it stands in the request line before the query, is of a source that is exposed. There, a slash at
    /// its end makes it another path, which is the app's.
    #[must_use]
    pub fn exposes(&self, path: &[u8]) -> bool {
        if path.ends_with(b"/") {
            return false;
        }
        let settings = self.parts.settings.load();
        let source = settings.sources.routes().find_path(path).map(|routed| routed.source);
        let source = source.and_then(|index| settings.sources.all().get(index));
        source.is_some_and(|source| source.exposure == Exposure::Edge)
    }

    /// The answer to a request on the public listener; none, and nothing of the request was read, when its path is of no
    /// source that is exposed.
    pub async fn serve_exposed(&self, request: &mut Incoming<'_>) -> Option<Answer> {
        let head: &RequestHeader = request.request();
        let (bound, routed, terms) = self.find(head)?;
        if bound.source.exposure != Exposure::Edge || path_of(head).ends_with(b"/") {
            return None;
        }
        Some(self.serve_bound(&bound, routed, &terms, request).await)
    }
}
