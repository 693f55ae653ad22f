//! Where an app is: its addresses, kept fresh without ever blocking, and how it is connected to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::{BError, Error, ErrorType, Result};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

/// How long a name's addresses are used before they are asked for again: long enough to cost nothing, short enough that
/// an app that moved is found within a few requests' time-outs.
const DNS_TTL: Duration = Duration::from_secs(5);
/// How long they are still used when asking fails.
const DNS_STALE: Duration = Duration::from_mins(5);
/// How many of a name's addresses are tried for one request.
pub(crate) const MAX_ADDRESSES: usize = 4;
/// How long an idle connection to the app is kept: less than the 5 s after which Node, the most impatient of the usual
/// servers, closes it, so that a request seldom meets a closing connection.
pub(crate) const POOL_IDLE: Duration = Duration::from_secs(4);

/// A server that requests are handed on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Over TCP, plain or TLS.
    Tcp {
        /// `http` or `https`.
        scheme: UpstreamScheme,
        /// Name or address, v6 without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// Plain HTTP over a unix socket.
    Unix(PathBuf),
}

/// What stands in `Host` where there is none.
const NO_HOST: &str = "localhost";

impl Upstream {
    /// For a `Host` field.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } => host_and_port(host, *port),
            Self::Unix(_) => NO_HOST.to_owned(),
        }
    }
}

fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The scheme of an [`Upstream`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamScheme {
    /// Plain.
    Http,
    /// TLS, verified against the system's roots.
    Https,
}

/// Time-outs towards the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// To connect, TLS included; after it 502.
    pub connect: Duration,
    /// From the request to the first byte of the answer; after it 504.
    pub first_byte: Duration,
    /// Without a byte in either direction once the answer has begun.
    pub idle: Duration,
}

impl UpstreamTimeouts {
    /// For a caller with a deadline of its own: no single step outlasts it.
    pub(crate) fn all(limit: Duration) -> Self {
        Self { connect: limit, first_byte: limit, idle: limit }
    }
}

/// Who vouches for an app's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The system's certificates, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    System,
    /// Those in a PEM file, and no others.
    File(PathBuf),
}

impl Roots {
    pub(crate) fn file(&self) -> Option<String> {
        match self {
            Self::System => None,
            Self::File(path) => Some(path.to_string_lossy().into_owned()),
        }
    }
}

/// The app, as one request sees it: addresses in the order to try them.
#[derive(Clone, Debug)]
pub(crate) struct App {
    place: Place,
    timeouts: UpstreamTimeouts,
    tries: usize,
}

#[derive(Clone, Debug)]
enum Place {
    /// `start`: which address this request begins with.
    Tcp {
        tls: bool,
        host: String,
        port: u16,
        resolved: Arc<Resolved>,
        start: usize,
    },
    Unix(String),
}

impl App {
    /// The next address, and how to treat it.
    pub(crate) fn peer(&self) -> Result<Box<HttpPeer>> {
        let mut peer = match &self.place {
            // The name is always given, so the certificate is always verified against it; an address is a name too.
            Place::Tcp { tls, host, resolved, start, .. } => {
                HttpPeer::new(resolved.address(start + self.tries), *tls, host.clone())
            }
            Place::Unix(path) => HttpPeer::new_uds(path, false, String::new()).map_err(Error::into_up)?,
        };
        let options = &mut peer.options;
        options.connection_timeout = Some(self.timeouts.connect);
        options.total_connection_timeout = Some(self.timeouts.connect);
        options.idle_timeout = Some(POOL_IDLE);
        options.write_timeout = Some(self.timeouts.first_byte);
        // The connection's own deadline is what counts (`Control`). This catches an app that neither reads nor answers
        // while the caller's bytes wait.
        options.read_timeout = Some(self.timeouts.idle.max(self.timeouts.first_byte));
        options.alpn = ALPN::H1;
        // Upgrades are made by `tunnel` alone.
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        Ok(Box::new(peer))
    }

    /// Connecting failed: whether there is another address to try.
    pub(crate) fn try_next(&mut self) -> bool {
        let Place::Tcp { resolved, start, .. } = &self.place else { return false };
        // The next request does not begin with an address that just failed. Of many that fail at once one moves it.
        let failed = start + self.tries;
        let _ = resolved.first.compare_exchange(failed, failed + 1, Ordering::Relaxed, Ordering::Relaxed);
        self.tries += 1;
        self.tries < resolved.addresses.len().min(MAX_ADDRESSES)
    }

    /// For a `Host` field.
    pub(crate) fn authority(&self) -> String {
        match &self.place {
            Place::Tcp { host, port, .. } => host_and_port(host, *port),
            Place::Unix(_) => NO_HOST.to_owned(),
        }
    }

    pub(crate) fn timeouts(&self) -> UpstreamTimeouts {
        self.timeouts
    }
}

/// A name's addresses.
#[derive(Debug)]
struct Resolved {
    host: String,
    port: u16,
    addresses: Vec<SocketAddr>,
    at: Instant,
    /// Index (modulo their number) of the one that is tried first: the last that did not fail.
    first: AtomicUsize,
}

impl Resolved {
    fn address(&self, index: usize) -> SocketAddr {
        self.addresses[index % self.addresses.len()]
    }

    fn is_of(&self, host: &str, port: u16) -> bool {
        self.host == host && self.port == port
    }
}

/// Finds the app's addresses.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    last: ArcSwapOption<Resolved>,
    /// One look-up at a time.
    asking: tokio::sync::Mutex<()>,
}

impl Resolver {
    /// The app that the settings name.
    ///
    /// # Errors
    /// `ConnectNoRoute` when its name has no address, or none within the connect time-out.
    pub(crate) async fn app(&self, upstream: Upstream, timeouts: UpstreamTimeouts) -> Result<App> {
        let place = match upstream {
            Upstream::Tcp { scheme, host, port } => {
                let resolved = self.resolve(&host, port, timeouts.connect).await?;
                let start = resolved.first.load(Ordering::Relaxed);
                Place::Tcp { tls: scheme == UpstreamScheme::Https, host, port, resolved, start }
            }
            Upstream::Unix(path) => Place::Unix(path.to_string_lossy().into_owned()),
        };
        Ok(App { place, timeouts, tries: 0 })
    }

    async fn resolve(&self, host: &str, port: u16, limit: Duration) -> Result<Arc<Resolved>> {
        if let Some(fresh) = self.known(host, port, DNS_TTL) {
            return Ok(fresh);
        }
        let _one = self.asking.lock().await;
        if let Some(fresh) = self.known(host, port, DNS_TTL) {
            return Ok(fresh);
        }
        let found = timeout(limit, lookup_host((host, port))).await;
        let addresses: Vec<SocketAddr> = match found {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(error)) => {
                return self.known(host, port, DNS_STALE).ok_or_else(|| no_address(host, &error).into_up());
            }
            Err(late) => {
                return self.known(host, port, DNS_STALE).ok_or_else(|| no_address(host, &late).into_up());
            }
        };
        if addresses.is_empty() {
            return Err(no_address(host, &"it has none").into_up());
        }
        let first = self.known(host, port, DNS_STALE).filter(|old| old.addresses == addresses);
        let first = AtomicUsize::new(first.map_or(0, |old| old.first.load(Ordering::Relaxed)));
        let new = Arc::new(Resolved { host: host.to_owned(), port, addresses, at: Instant::now(), first });
        self.last.store(Some(Arc::clone(&new)));
        Ok(new)
    }

    fn known(&self, host: &str, port: u16, age: Duration) -> Option<Arc<Resolved>> {
        self.last.load_full().filter(|last| last.is_of(host, port) && last.at.elapsed() < age)
    }
}

#[allow(clippy::unnecessary_box_returns, reason = "pingora's errors are boxed everywhere")]
fn no_address(host: &str, cause: &dyn std::fmt::Display) -> BError {
    Error::explain(ErrorType::ConnectNoRoute, format!("no address for {host}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: UpstreamTimeouts = UpstreamTimeouts {
        connect: Duration::from_secs(2),
        first_byte: Duration::from_mins(1),
        idle: Duration::from_hours(1),
    };

    fn tcp(host: &str) -> Upstream {
        Upstream::Tcp { scheme: UpstreamScheme::Http, host: host.to_owned(), port: 80 }
    }

    #[tokio::test]
    async fn addresses_are_kept_for_a_while_and_change_with_the_name() {
        let resolver = Resolver::default();
        let found = |app: &App| match &app.place {
            Place::Tcp { resolved, .. } => Arc::clone(resolved),
            Place::Unix(_) => unreachable!(),
        };
        let first = found(&resolver.app(tcp("127.0.0.1"), TIMEOUTS).await.unwrap());
        let again = found(&resolver.app(tcp("127.0.0.1"), TIMEOUTS).await.unwrap());
        assert!(Arc::ptr_eq(&first, &again));
        let v6 = resolver.app(tcp("::1"), TIMEOUTS).await.unwrap();
        assert_eq!(found(&v6).addresses, ["[::1]:80".parse().unwrap()]);
        assert_eq!(v6.authority(), "[::1]:80");
        let error = resolver.app(tcp("no-such-host.invalid"), TIMEOUTS).await.unwrap_err();
        assert_eq!(error.etype(), &ErrorType::ConnectNoRoute);
    }

    #[test]
    fn every_address_is_tried_once_and_the_failing_one_last_next_time() {
        let addresses: Vec<SocketAddr> = (1..=3).map(|n| SocketAddr::from(([127, 0, 0, n], 80))).collect();
        let resolved = Arc::new(Resolved {
            host: "a".into(),
            port: 80,
            addresses: addresses.clone(),
            at: Instant::now(),
            first: AtomicUsize::new(0),
        });
        let start = 0;
        let place =
            Place::Tcp { tls: false, host: "a".into(), port: 80, resolved: Arc::clone(&resolved), start };
        let mut app = App { place, timeouts: TIMEOUTS, tries: 0 };
        for (n, address) in addresses.iter().enumerate() {
            assert!(app.peer().unwrap().to_string().contains(&address.to_string()), "{n}");
            assert_eq!(app.try_next(), n < 2);
        }
        assert_eq!(resolved.first.load(Ordering::Relaxed), 3, "the next request begins with the first again");
    }
}
