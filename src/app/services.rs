//! The three listeners' services, each made of its part and its view of the configuration.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use pingora::proxy::HttpProxy;
use prometheus::{IntCounterVec, Opts, Registry};

use super::grants::Revoker;
use super::reload::Reloader;
use super::snapshot::Snapshots;
use super::webhooks::Webhooks;
use super::{Bound, StartError, now};
use crate::admin::{self, Admin};
use crate::auth::Revoked;
use crate::edge::{self, Edge};
use crate::fanout::Fanout;
use crate::forward::{self, Forward};
use crate::ingress::{self, Ingress};
use crate::lifecycle::Lifecycle;
use crate::log::Log;
use crate::net::{self, Budget, Roots, Service};
use crate::relay::{self, Relay};

/// Threads of the admin listener: it answers a scrape and a probe, never a crowd.
const ADMIN_THREADS: usize = 1;

/// What all three are made from.
pub(super) struct Parts<'a> {
    pub snapshots: &'a Arc<Snapshots>,
    pub lifecycle: &'a Lifecycle,
    pub registry: &'a Registry,
    pub fanout: &'a Arc<Fanout>,
    pub revoked: &'a Arc<Revoked>,
    pub budget: Budget,
}

/// The services, ready for a server.
pub(super) struct Services {
    pub edge: Service<HttpProxy<Edge>>,
    pub ingress: Service<Ingress>,
    pub admin: Service<Admin>,
    pub relay: Relay,
}

impl Parts<'_> {
    /// Makes the services of the listeners in `bound`.
    pub(super) fn services(
        &self,
        bound: Bound,
        log: &Arc<dyn Log>,
        reloader: &Arc<Reloader>,
        metrics: admin::Metrics,
        started: Instant,
    ) -> Result<Services, StartError> {
        let threads = available_parallelism().map_or(1, usize::from);
        let listeners = bound.listening();
        let lifecycle = || self.lifecycle.clone();
        let relay = self.relay()?;
        let ingress = Arc::new(self.ingress(relay.clone())?);
        let admin = self.admin(listeners, log, reloader, metrics, &ingress, started);
        let webhooks = Arc::new(Webhooks(Arc::clone(&ingress)));
        let counting = Arc::clone(&ingress);
        let config = self.snapshots.current();
        let headers = header_errors(self.registry)?;
        Ok(Services {
            relay,
            edge: Service::new(
                settings("edge", threads, self.budget.edge),
                bound.edge,
                edge::proxy(self.edge()?.with_exposed(webhooks)),
                lifecycle(),
            )
            .with_proxy_protocol(config.listen.edge_proxy_protocol, headers.with_label_values(&["edge"])),
            ingress: Service::new(
                settings("ingress", threads, self.budget.ingress),
                bound.ingress,
                ingress,
                lifecycle(),
            )
            .with_refused(move |_| counting.count_refused_head())
            .with_proxy_protocol(
                config.listen.ingress_proxy_protocol,
                headers.with_label_values(&["ingress"]),
            ),
            admin: Service::new(
                settings("admin", ADMIN_THREADS, self.budget.admin),
                bound.admin,
                Arc::new(admin),
                lifecycle(),
            ),
        })
    }

    fn edge(&self) -> Result<Edge, StartError> {
        let settings = self.snapshots.view(|config| &config.edge);
        let metrics = edge::Metrics::register(self.registry)?;
        let subscribe = edge::Subscribe::new(
            Arc::clone(self.fanout),
            self.snapshots.rule_of(),
            self.lifecycle.clone(),
            self.budget.edge,
            edge::AccessParts {
                revoked: Arc::clone(self.revoked),
                failures: edge::AccessFailures::register(self.registry)?,
                forward: self.forward()?,
                clock: now,
            },
        );
        Ok(Edge::new(settings, self.lifecycle.clone(), metrics, Roots::System).with_topics(subscribe))
    }

    fn forward(&self) -> Result<Forward, StartError> {
        Ok(Forward::new(forward::Parts {
            metrics: forward::Metrics::register(self.registry)?,
            roots: Roots::System,
            connections: self.budget.forward,
            clock: now,
        }))
    }

    fn relay(&self) -> Result<Relay, StartError> {
        Ok(Relay::new(relay::Parts {
            plans: self.snapshots.view(|config| &config.relay),
            lifecycle: self.lifecycle.clone(),
            metrics: relay::Metrics::register(self.registry)?,
            roots: Roots::System,
            connections: self.budget.relay,
            clock: now,
        }))
    }

    fn ingress(&self, relay: Relay) -> Result<Ingress, StartError> {
        let fanout = Arc::clone(self.fanout);
        Ok(Ingress::new(ingress::Parts {
            log: self.fanout.log(),
            subscribers: Arc::new(move |topic| fanout.subscribers(topic)),
            settings: self.snapshots.view(|config| &config.ingress),
            lifecycle: self.lifecycle.clone(),
            metrics: ingress::Metrics::register(self.registry)?,
            clock: now,
        })
        .with_relay(relay))
    }

    fn admin(
        &self,
        listeners: Vec<admin::Listening>,
        log: &Arc<dyn Log>,
        reloader: &Arc<Reloader>,
        metrics: admin::Metrics,
        ingress: &Arc<Ingress>,
        started: Instant,
    ) -> Admin {
        let fanout = Arc::clone(self.fanout);
        Admin::new(admin::Parts {
            settings: self.snapshots.view(|config| &config.admin),
            lifecycle: self.lifecycle.clone(),
            log: Arc::clone(log),
            inspect: Arc::clone(self.fanout) as Arc<dyn admin::Inspect>,
            sources: Arc::new(Webhooks(Arc::clone(ingress))),
            registry: self.registry.clone(),
            metrics,
            refresh: Vec::new(),
            wedged: Arc::new(move || fanout.wedged()),
            listeners,
            reload: Arc::clone(reloader) as Arc<dyn admin::Reload>,
            revoke: Arc::new(Revoker { revoked: Arc::clone(self.revoked), fanout: Arc::clone(self.fanout) }),
            started,
        })
    }
}

fn header_errors(registry: &Registry) -> Result<IntCounterVec, StartError> {
    let errors = IntCounterVec::new(
        Opts::new(
            "sidestream_proxy_protocol_errors_total",
            "Connections closed because they did not begin with a valid PROXY header, by listener.",
        ),
        &["listener"],
    )?;
    registry.register(Box::new(errors.clone()))?;
    Ok(errors)
}

fn settings(name: &'static str, threads: usize, connections: usize) -> net::Settings {
    net::Settings { name, threads, connections, limits: net::Limits::default() }
}
