//! A real app on a real socket, and the questions that it is asked.

mod answers;
mod failures;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use pingora::http::RequestHeader;
use prometheus::{Registry, TextEncoder};
use tokio::time::timeout;

use super::{AppRefusal, Ask, Forward, Metrics, Parts};
use crate::auth::{AppWord, ForwardSettings};
use crate::event::{Millis, Pattern, Selector};
use crate::net::Roots;
use crate::net::client::testing::{App, PATIENCE};
use crate::net::http::Way;

/// Settings under which a healthy app is waited for.
pub(super) fn settings(url: &str) -> ForwardSettings {
    ForwardSettings { url: url.parse().unwrap(), timeout: PATIENCE / 2, cache: None }
}

fn to(app: &App) -> ForwardSettings {
    settings(&format!("http://127.0.0.1:{}/may-listen", app.port))
}

fn cached(settings: ForwardSettings) -> ForwardSettings {
    ForwardSettings { cache: Some(Duration::from_mins(1)), ..settings }
}

/// With too little time for an app that is not well.
fn quick(settings: ForwardSettings) -> ForwardSettings {
    ForwardSettings { timeout: Duration::from_millis(300), ..settings }
}

/// The app's side of the wire, and its callers'.
struct Bench {
    forward: Forward,
    settings: ForwardSettings,
    registry: Registry,
}

type Told = Result<AppWord, AppRefusal>;

impl Bench {
    fn new(settings: ForwardSettings) -> Arc<Self> {
        Self::with(settings, 64, Roots::System)
    }

    fn with(settings: ForwardSettings, connections: usize, roots: Roots) -> Arc<Self> {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let clock = || Millis(1_700_000_000_000);
        let forward = Forward::new(Parts { metrics, roots, connections, clock });
        Arc::new(Self { forward, settings, registry })
    }

    /// The same after a reload.
    fn with_settings(&self, settings: ForwardSettings) -> Arc<Self> {
        Arc::new(Self { forward: self.forward.clone(), settings, registry: self.registry.clone() })
    }

    /// Asks for a subscriber with this cookie.
    async fn ask(&self, cookie: &str) -> Told {
        self.ask_with(&[("Cookie", cookie)]).await
    }

    async fn ask_with(&self, fields: &[(&'static str, &str)]) -> Told {
        let mut head = RequestHeader::build("GET", b"/topics/orders?access_token=s3cret", None).unwrap();
        head.append_header("Host", "shop.example").unwrap();
        for (name, value) in fields {
            head.append_header(*name, *value).unwrap();
        }
        let wanted = Selector::of(vec![Pattern::parse("orders").unwrap()]);
        let way = Way { addresses: vec!["192.0.2.7".parse().unwrap()], ..Way::default() };
        let ask = Ask { head: &head, way, wanted: &wanted };
        timeout(PATIENCE, self.forward.ask(Some(&self.settings), ask)).await.expect("a bounded time")
    }

    /// Asks in a task of its own.
    fn asking(self: &Arc<Self>, cookie: &str) -> tokio::task::JoinHandle<Told> {
        let (bench, cookie) = (Arc::clone(self), cookie.to_owned());
        tokio::spawn(async move { bench.ask(&cookie).await })
    }

    /// A counter's value under a label.
    fn count(&self, name: &str, label: &str) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let of =
            |line: &&str| line.starts_with(&format!("sidestream_forward_{name}{{")) && line.contains(label);
        let line = text.lines().find(of).unwrap_or_else(|| panic!("{name} {label}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Waits until so many were answered along with another, or are to be.
    async fn joined(&self, number: u64) {
        let reached = async {
            while self.count("saved_total", "joined") < number {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("{}", self.count("saved_total", "joined")));
    }
}
