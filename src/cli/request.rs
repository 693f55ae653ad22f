//! One HTTP/1.1 request, with pingora's client: over TCP, TLS or a unix socket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::TcpKeepalive;
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;
use pingora::protocols::l4::stream::Stream;
use pingora::upstreams::peer::HttpPeer;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::Failure;

/// How long connecting may take, TLS included, to each address of a name.
const CONNECT: Duration = Duration::from_secs(5);

/// When a silent connection is probed: a stream may be quiet for long, and a peer that is gone must be noticed.
const KEEPALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(30),
    interval: Duration::from_secs(10),
    count: 3,
    #[cfg(target_os = "linux")]
    user_timeout: Duration::ZERO,
};

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    place: Place,
    /// Starts with `/` and does not end with one; empty when the URL names none.
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Tcp { tls: Tls, host: String, port: u16 },
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Off,
    On,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected http://host:port, https://host:port or unix:/path".to_owned();
        if let Some(path) = text.strip_prefix("unix:") {
            let absolute = path.starts_with('/');
            let place = Place::Unix(path.into());
            return if absolute { Ok(Self { place, path: String::new() }) } else { Err(expected()) };
        }
        let uri: http::Uri = text.parse().map_err(|_| expected())?;
        let (tls, default_port) = match uri.scheme_str() {
            Some("http") => (Tls::Off, 80),
            Some("https") => (Tls::On, 443),
            _ => return Err(expected()),
        };
        let authority = uri.authority().filter(|a| !a.as_str().contains('@')).ok_or_else(expected)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let named_port = authority.as_str().rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let port = match authority.port_u16() {
            Some(port) => port,
            None if named_port => return Err(expected()),
            None => default_port,
        };
        if host.is_empty() || uri.query().is_some() {
            return Err(expected());
        }
        Ok(Self { place: Place::Tcp { tls, host, port }, path: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
            Place::Tcp { tls, .. } => {
                let scheme = if *tls == Tls::On { "https" } else { "http" };
                write!(f, "{scheme}://{}{}", self.host(), self.path)
            }
        }
    }
}

impl Url {
    /// The `Host` header.
    fn host(&self) -> String {
        match &self.place {
            Place::Unix(_) => "localhost".into(),
            Place::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp { host, port, .. } => format!("{host}:{port}"),
        }
    }
}

/// A request that has not been sent.
pub(super) struct Request {
    url: Url,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Request {
    /// A GET of `name` below the URL's own path, or below `path` where it has none. Both are plain ASCII.
    pub fn get(url: &Url, path: &str, name: &str) -> Self {
        let base = if url.path.is_empty() { path } else { &url.path };
        let path = if name.is_empty() { base.to_owned() } else { format!("{base}/{name}") };
        Self { url: url.clone(), method: "GET", path, headers: Vec::new(), body: Bytes::new() }
    }

    /// A POST, otherwise as [`Request::get`].
    pub fn post(url: &Url, path: &str, name: &str, body: Vec<u8>) -> Self {
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
        let kind = if json { "application/json" } else { "text/plain; charset=utf-8" };
        let post = Self { method: "POST", ..Self::get(url, path, name) };
        let length = body.len().to_string();
        Self { body: body.into(), ..post }.header("Content-Type", kind).header("Content-Length", &length)
    }

    /// Adds a header; its value is visible ASCII.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sends it and reads the head of the answer.
    ///
    /// # Errors
    /// Says what could not be reached, or what was no HTTP.
    pub async fn send(self) -> Result<Response, Failure> {
        let url = &self.url;
        let mut session = connect(url).await.map_err(|why| format!("{url} cannot be reached: {why}"))?;
        let mut head = RequestHeader::build(self.method, self.path.as_bytes(), None)?;
        head.insert_header("Host", url.host())?;
        head.insert_header("User-Agent", concat!("sidestream/", env!("CARGO_PKG_VERSION")))?;
        for (name, value) in &self.headers {
            head.insert_header(*name, value)?;
        }
        session.write_request_header(Box::new(head)).await?;
        if !self.body.is_empty() {
            // A server that refuses a body closes while it is written, and its answer says why.
            let _ = session.write_request_body(self.body, true).await;
        }
        let _ = session.finish_request_body().await;
        loop {
            session.read_response_header().await.map_err(|error| format!("{url} gave no answer: {error}"))?;
            let informational = session.response_header().is_some_and(|head| head.status.is_informational());
            if !informational {
                return Ok(Response(session));
            }
        }
    }
}

async fn connect(url: &Url) -> Result<HttpSession, Failure> {
    let (tls, host, port) = match &url.place {
        Place::Unix(path) => {
            let stream = timeout(CONNECT, UnixStream::connect(path)).await??;
            return Ok(HttpSession::H1(Http1Session::new(Box::new(Stream::from(stream)))));
        }
        Place::Tcp { tls, host, port } => (*tls, host.as_str(), *port),
    };
    let mut failure: Failure = "its name has no address".into();
    for address in tokio::net::lookup_host((host, port)).await? {
        let session = match tls {
            Tls::Off => connect_tcp(address).await,
            Tls::On => connect_tls(address, host).await,
        };
        match session {
            Ok(session) => return Ok(session),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Plain TCP without pingora's connector, which would read the system's certificates first.
async fn connect_tcp(address: std::net::SocketAddr) -> Result<HttpSession, Failure> {
    let stream = timeout(CONNECT, TcpStream::connect(address)).await.map_err(|_| "it took too long")??;
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE.idle).with_interval(KEEPALIVE.interval);
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(HttpSession::H1(Http1Session::new(Box::new(Stream::from(stream)))))
}

async fn connect_tls(address: std::net::SocketAddr, host: &str) -> Result<HttpSession, Failure> {
    let mut peer = HttpPeer::new(address, true, host.to_owned());
    peer.options.total_connection_timeout = Some(CONNECT);
    peer.options.tcp_keepalive = Some(KEEPALIVE.clone());
    let (session, _) = Connector::new(None).get_http_session(&peer).await?;
    Ok(session)
}

/// An answer whose head has been read.
pub(super) struct Response(HttpSession);

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.0.response_header().map_or(0, |head| head.status.as_u16())
    }

    /// A header's value, if it is there and plain text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.response_header()?.headers.get(name)?.to_str().ok()
    }

    /// The next bytes of the body; none at its end.
    ///
    /// # Errors
    /// A connection that ends before the body does.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        self.0.read_response_body().await.map_err(Into::into)
    }

    /// The body as text, of at most `limit` bytes; what is longer is cut.
    ///
    /// # Errors
    /// As [`Response::chunk`].
    pub async fn text(&mut self, limit: usize) -> Result<String, Failure> {
        let mut body = Vec::new();
        while body.len() < limit
            && let Some(chunk) = self.chunk().await?
        {
            body.extend_from_slice(&chunk);
        }
        body.truncate(limit);
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_by_table() {
        for (text, shown) in [
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
            ("http://127.0.0.1:8081/", "http://127.0.0.1:8081"),
            ("https://events.example/live/", "https://events.example:443/live"),
            ("http://[::1]:80", "http://[::1]:80"),
            ("http://[::1]", "http://[::1]:80"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
        ] {
            assert_eq!(text.parse::<Url>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "127.0.0.1:80",
            "ftp://a",
            "http://",
            "http://u@a",
            "http://a?x=1",
            "http://a:99999",
            "unix:a",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_path_of_its_own_takes_the_place_of_the_usual_one() {
        let path = |url: &str| Request::get(&url.parse().unwrap(), "/topics", "orders").path;
        assert_eq!(path("http://a"), "/topics/orders");
        assert_eq!(path("http://a/live/v1/"), "/live/v1/orders");
        assert_eq!(path("unix:/run/a.sock"), "/topics/orders");
        assert_eq!(Request::get(&"http://a".parse().unwrap(), "/readyz", "").path, "/readyz");
    }
}
