//! One fetch: a GET over HTTP/1.1, whole or not at all.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, HOST, HeaderName, USER_AGENT};
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::ALPN;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::freshness;
use crate::jwt::{Jwks, JwksError, JwksUrl, MAX_JWKS, Origin};

/// How long a fetch may take from the look-up of the name to the last byte. Nobody waits for it but the next attempt.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long connecting to one address may take, so that another has its turn within the deadline.
const CONNECT: Duration = Duration::from_secs(3);
/// How many of a name's addresses are tried.
const MAX_ADDRESSES: usize = 3;

/// What came of a fetch.
#[derive(Debug)]
pub(super) struct Fetched {
    pub jwks: Jwks,
    /// How long it is fresh.
    pub lifetime: Duration,
}

/// Why nothing came of it. Holds nothing of a body.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no whole answer in time")]
    Late,
    #[error("the host's name could not be resolved: {0}")]
    Name(io::ErrorKind),
    #[error("not connected: {0}")]
    Connect(String),
    #[error("the exchange failed: {0}")]
    Exchange(String),
    #[error("redirected ({0}), which is not followed; configure the URL that it leads to")]
    Redirect(u16),
    #[error("the answer is {0}; expected 200")]
    Status(u16),
    #[error("the answer is compressed, which was not asked for")]
    Encoded,
    #[error("the answer is {0}")]
    NotKeys(#[from] JwksError),
}

/// Fetches key sets; a seam for tests.
#[async_trait]
pub(super) trait Fetch: Send + Sync + 'static {
    async fn fetch(&self, url: &JwksUrl) -> Result<Fetched, FetchError>;
}

/// Who vouches for a provider's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The system's certificates, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    System,
    /// Those in a PEM file, and no others.
    File(PathBuf),
}

/// Fetches over the network.
pub(super) struct Network {
    connector: OnceLock<TransportConnector>,
    roots: Roots,
    deadline: Duration,
}

impl Network {
    pub fn new(roots: Roots) -> Self {
        Self { connector: OnceLock::new(), roots, deadline: DEADLINE }
    }

    #[cfg(test)]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Made when first needed: it reads the system's certificates. Connections are not kept: the next fetch is minutes away.
    fn connector(&self) -> &TransportConnector {
        self.connector.get_or_init(|| {
            let ca_file = match &self.roots {
                Roots::System => None,
                Roots::File(path) => Some(path.to_string_lossy().into_owned()),
            };
            TransportConnector::new(Some(ConnectorOptions { ca_file, ..ConnectorOptions::new(0) }))
        })
    }

    async fn connect(&self, url: &JwksUrl) -> Result<HttpSession, FetchError> {
        let found =
            lookup_host((url.host(), url.port())).await.map_err(|error| FetchError::Name(error.kind()))?;
        let mut failed = FetchError::Name(io::ErrorKind::NotFound);
        for address in found.take(MAX_ADDRESSES) {
            match self.connector().new_stream(&peer(url, address)).await {
                Ok(stream) => return Ok(HttpSession::new(stream)),
                Err(error) => failed = FetchError::Connect(kind(&error)),
            }
        }
        Err(failed)
    }

    async fn get(&self, url: &JwksUrl) -> Result<Fetched, FetchError> {
        let exchange = |error: pingora::BError| FetchError::Exchange(kind(&error));
        let mut session = self.connect(url).await?;
        let request = request(url).map_err(exchange)?;
        session.write_request_header(Box::new(request)).await.map_err(exchange)?;
        let answer = loop {
            let answer = session.read_resp_header_parts().await.map_err(exchange)?;
            if !answer.status.is_informational() {
                break answer;
            }
        };
        judge(&answer)?;
        let mut body = Vec::new();
        while let Some(bytes) = session.read_body_bytes().await.map_err(exchange)? {
            body.extend_from_slice(&bytes);
            if body.len() > MAX_JWKS {
                return Err(JwksError::TooLarge.into());
            }
        }
        let jwks = Jwks::parse(&body, Origin::Url)?;
        Ok(Fetched { jwks, lifetime: freshness::lifetime(&answer.headers) })
    }
}

#[async_trait]
impl Fetch for Network {
    async fn fetch(&self, url: &JwksUrl) -> Result<Fetched, FetchError> {
        timeout(self.deadline, self.get(url)).await.unwrap_or(Err(FetchError::Late))
    }
}

/// The kind of an error alone: pingora's messages quote what was received.
fn kind(error: &pingora::BError) -> String {
    error.etype().as_str().to_owned()
}

fn peer(url: &JwksUrl, address: SocketAddr) -> HttpPeer {
    // The name is always given, so the certificate is always verified against it; an address is a name too.
    let mut peer = HttpPeer::new(address, url.is_tls(), url.host().to_owned());
    peer.options.connection_timeout = Some(CONNECT);
    peer.options.total_connection_timeout = Some(CONNECT);
    peer.options.alpn = ALPN::H1;
    peer
}

fn request(url: &JwksUrl) -> pingora::Result<RequestHeader> {
    let fields: [(HeaderName, &str); 5] = [
        (HOST, url.authority()),
        (ACCEPT, "application/jwk-set+json, application/json"),
        (ACCEPT_ENCODING, "identity"),
        (USER_AGENT, concat!("sidestream/", env!("CARGO_PKG_VERSION"))),
        (CONNECTION, "close"),
    ];
    let mut request = RequestHeader::build("GET", url.target().as_bytes(), Some(fields.len()))?;
    for (name, value) in fields {
        request.insert_header(name, value)?;
    }
    Ok(request)
}

fn judge(answer: &ResponseHeader) -> Result<(), FetchError> {
    if answer.status.is_redirection() {
        return Err(FetchError::Redirect(answer.status.as_u16()));
    }
    if answer.status != StatusCode::OK {
        return Err(FetchError::Status(answer.status.as_u16()));
    }
    let plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if answer.headers.get_all(CONTENT_ENCODING).iter().all(plain) { Ok(()) } else { Err(FetchError::Encoded) }
}
