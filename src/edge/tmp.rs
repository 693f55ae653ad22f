//! temporary
use super::*;
use crate::live::Live;
use async_trait::async_trait;
use pingora::prelude::*;
use pingora::proxy::{ProxyHttp, Session};
/// tmp
pub struct Edge {
    /// s
    pub settings: Live<Settings>,
    /// s
    pub subscribe: Subscribe,
}
#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();
    fn new_ctx(&self) {}
    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Error::e_explain(HTTPStatus(404), "no")
    }
    async fn request_filter(&self, session: &mut Session, _: &mut ()) -> Result<bool> {
        let settings = self.settings.load().clone();
        let path = session.req_header().uri.path().to_owned();
        let Some(rest) = path.strip_prefix(&settings.prefix) else { return Ok(false) };
        self.subscribe.serve(&mut session.downstream_session, rest.as_bytes(), &settings).await?;
        Ok(true)
    }
}
