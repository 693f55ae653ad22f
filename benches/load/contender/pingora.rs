//! A bare pingora handler: a task per subscriber, tokio's `broadcast` between them; what one writes first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::configuration::ServerConf;
use pingora::server::{Server, ShutdownWatch};
use pingora::services::listening::Service;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Contender, Endpoint, folder, free_addrs, own_server};
use crate::Res;

/// Events a subscriber's task may fall behind before it loses some: as much as sidestream's default history.
const BACKLOG: usize = 1000;
/// The answer to a webhook, as long as sidestream's.
const ANSWER: &[u8] =
    br#"{"topic":"bench","cursor":"0123456789abcdef-1234567","subscribers":0,"duplicate":false}"#;

pub fn start() -> Res<Contender> {
    let [addr] = free_addrs()?;
    let at = |path: &'static str| Endpoint::new(addr, path);
    Contender::spawn(own_server("pingora", addr)?, folder()?, [at("/"), at("/publish"), at("/accept")])
}

pub fn serve(addr: SocketAddr) -> Res<()> {
    let threads = std::thread::available_parallelism()?.get();
    let conf = ServerConf { threads, grace_period_seconds: Some(0), ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let app = Handler { events: broadcast::channel(BACKLOG).0, number: AtomicU64::new(0) };
    let mut service = Service::new("bare".to_owned(), app);
    service.add_tcp(&addr.to_string());
    server.add_service(service);
    server.run_forever()
}

struct Handler {
    events: broadcast::Sender<Bytes>,
    number: AtomicU64,
}

#[async_trait]
impl HttpServerApp for Handler {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !session.read_request().await.ok()? {
            return None;
        }
        if session.req_header().method == Method::GET {
            session.set_keepalive(None);
            // An error is the subscriber's leaving.
            let _ = self.stream(&mut session).await;
            return None;
        }
        session.set_keepalive(Some(3600));
        self.accept(&mut session).await.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let reusable = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }
}

impl Handler {
    async fn stream(&self, session: &mut ServerSession) -> pingora::Result<()> {
        let mut events = self.events.subscribe();
        let mut head = ResponseHeader::build(StatusCode::OK, Some(3))?;
        head.insert_header("Content-Type", "text/event-stream")?;
        head.insert_header("Cache-Control", "no-store")?;
        head.insert_header("Transfer-Encoding", "chunked")?;
        session.write_response_header(Box::new(head)).await?;
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(frame) => session.write_response_body(frame, false).await?,
                    // What was lost is not told, as in every example of this kind.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                },
                _ = session.read_body_or_idle(true) => return Ok(()),
            }
        }
    }

    async fn accept(&self, session: &mut ServerSession) -> pingora::Result<()> {
        let mut body = BytesMut::new();
        while let Some(part) = session.read_request_body().await? {
            body.extend_from_slice(&part);
        }
        if session.req_header().uri.path() == "/publish" {
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let frame = [format!("id: {number}\ndata: ").as_bytes(), &body, b"\n\n"].concat();
            // An error says that nobody listens.
            let _ = self.events.send(frame.into());
        }
        let mut head = ResponseHeader::build(StatusCode::ACCEPTED, Some(2))?;
        head.insert_header("Content-Type", "application/json")?;
        head.insert_header("Content-Length", ANSWER.len())?;
        session.write_response_header(Box::new(head)).await?;
        session.write_response_body(Bytes::from_static(ANSWER), true).await
    }
}
