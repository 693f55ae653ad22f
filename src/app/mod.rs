//! The application: puts the parts together, and sees them through from start to exit.
//!
//! Order of a start: configuration → descriptors → listeners are bound → log → fan-out → services → banner. Whatever can
//! fail fails before anything is served.

mod banner;
mod drain;
mod grants;
mod inspect;
mod reload;
mod services;
mod snapshot;
mod webhooks;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use prometheus::Registry;

use self::drain::{Shutdown, Signals};
use self::reload::{Changes, Reloader};
use self::snapshot::Snapshots;
use crate::admin::{self, Listening};
use crate::auth::Revoked;
use crate::config::{self, Config, LogKind, Source};
use crate::event::{Epoch, Millis};
use crate::fanout::{self, Fanout};
use crate::ingress;
use crate::jwks;
use crate::jwt::Remote;
use crate::lifecycle::{Lifecycle, Phase};
use crate::log::Log;
use crate::log::clock::Clock;
use crate::log::memory::MemoryLog;
use crate::net::{Address, BindError, Budget, Listener, SocketFile, raise_open_files, silence};

/// `EX_CONFIG` of sysexits.h: the configuration is not valid.
const EX_CONFIG: u8 = 78;

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the system gives no threads or descriptors: {0}")]
    System(#[from] io::Error),
    #[error("a metric is registered twice: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Runs until the process is told to end. Exit code 0 after a clean drain, 78 for a bad configuration, 1 otherwise.
#[must_use]
pub fn serve(source: &Source) -> ExitCode {
    serve_with(source, &Arc::default())
}

/// As [`serve`], with what the program brings along.
#[must_use]
pub fn serve_with(source: &Source, brought: &Arc<ingress::Registry>) -> ExitCode {
    let loaded = match config::load_with(source, brought) {
        Ok(loaded) => loaded,
        Err(rejected) => {
            eprintln!("{rejected}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match Application::start(source, loaded, brought) {
        Ok(application) => application.run(),
        Err(error) => {
            tracing::error!("cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The three listeners, bound.
struct Bound {
    edge: Listener,
    ingress: Listener,
    admin: Listener,
}

impl Bound {
    fn bind(addresses: &config::Listeners) -> Result<Self, BindError> {
        let bind = |key, address: &Address| Listener::bind(key, address);
        Ok(Self {
            edge: bind("edge.listen", &addresses.edge)?,
            ingress: bind("ingress.listen", &addresses.ingress)?,
            admin: bind("admin.listen", &addresses.admin)?,
        })
    }

    /// The files of unix sockets.
    fn take_files(&mut self) -> Vec<SocketFile> {
        [&mut self.edge, &mut self.ingress, &mut self.admin]
            .into_iter()
            .filter_map(Listener::take_file)
            .collect()
    }

    fn listening(&self) -> Vec<Listening> {
        [("edge", &self.edge), ("ingress", &self.ingress), ("admin", &self.admin)]
            .map(|(name, listener)| Listening { name, address: listener.url() })
            .into()
    }
}

/// Everything that was started, and the server that runs it.
struct Application {
    server: Server,
    shutdown: Shutdown,
    banner: String,
    /// Removed at the exit: pingora does not wait for the services that listen.
    files: Vec<SocketFile>,
    /// Whether the drain came to its end.
    drained: Arc<AtomicBool>,
}

impl Application {
    fn start(
        source: &Source,
        loaded: config::Loaded,
        brought: &Arc<ingress::Registry>,
    ) -> Result<Self, StartError> {
        let started = Instant::now();
        // Two TLS providers are linked in by dependencies; without a default the first handshake would panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let signals = Signals::listen()?;
        let open_files = raise_open_files();
        let mut bound = Bound::bind(&loaded.config.listen)?;
        let files = bound.take_files();
        let banner = banner::text(&loaded.config, &bound.listening());

        let registry = Registry::new();
        let snapshots = Snapshots::new(loaded.config.clone());
        let config = &loaded.config;
        let log = open_log(config, &snapshots);
        let budget = Budget::share(open_files, usize::MAX);
        let fanout = Fanout::start(
            Arc::clone(&log.shared),
            snapshots.view(|config| &config.fanout),
            fanout::Metrics::register(&registry)?,
            config.shards.count().get(),
            budget.subscribers,
            Box::new(silence),
        )?;
        if budget.subscribers < config.fanout.max_connections {
            tracing::info!(
                streams = budget.subscribers,
                open_files,
                "edge.limits.connections is clamped to the open-files limit less a reserve"
            );
        }
        let (phase, lifecycle) = Lifecycle::new();
        let keys = Arc::new(jwks::Registry::new(jwks::Roots::System, jwks::Metrics::register(&registry)?));
        keys.adopt(key_sets(&loaded.config));
        let admin_metrics = admin::Metrics::register(&registry)?;
        let revoked = Arc::new(Revoked::default());
        fanout.judge_with(grants::judge(snapshots.view(|config| &config.edge), Arc::clone(&revoked)));
        let reloader = Arc::new(Reloader::new(
            source.clone(),
            Arc::clone(brought),
            loaded,
            Changes {
                snapshots: Arc::clone(&snapshots),
                log: log.memory.clone(),
                keys: Arc::clone(&keys),
                fanout: Arc::clone(&fanout),
                metrics: admin_metrics.clone(),
            },
        ));

        let parts = services::Parts {
            snapshots: &snapshots,
            lifecycle: &lifecycle,
            registry: &registry,
            fanout: &fanout,
            revoked: &revoked,
            budget,
        };
        let services = parts.services(bound, &log.shared, &reloader, admin_metrics, started)?;
        let (proxied, webhooks) = (services.edge.open(), services.ingress.open());
        let mut server = Server::new_with_opt_and_conf(None, server_conf());
        server.add_service(services.edge);
        server.add_service(services.ingress);
        server.add_service(services.admin);

        let drained = Arc::new(AtomicBool::new(false));
        let shutdown = Shutdown {
            drained: Arc::clone(&drained),
            phase,
            snapshots,
            fanout,
            log: log.shared,
            memory: log.memory,
            proxied,
            webhooks,
            relay: services.relay,
            keys,
            reloader,
            signals: signals.into(),
        };
        Ok(Self { server, shutdown, banner, files, drained })
    }

    fn run(self) -> ExitCode {
        // A closed standard output, as under some supervisors, is no reason not to serve.
        let _ = io::Write::write_all(&mut io::stdout(), self.banner.as_bytes());
        let _ = self.shutdown.phase.send(Phase::Serving);
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");
        self.server.run(RunArgs { shutdown_signal: Box::new(self.shutdown) });
        drop(self.files);
        if self.drained.load(Ordering::Acquire) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Where the keys are published that the configuration's senders and listeners are believed by.
fn key_sets(config: &Config) -> impl Iterator<Item = &Arc<Remote>> {
    let senders = config.ingress.sources.all().iter().filter_map(|source| source.scheme.remote());
    senders.chain(config.edge.access.remote())
}

/// The log, as everyone sees it, and as its kind.
struct OpenedLog {
    shared: Arc<dyn Log>,
    memory: MemoryLog,
}

fn open_log(config: &Config, snapshots: &Arc<Snapshots>) -> OpenedLog {
    match config.log {
        LogKind::Memory => {
            let epoch = Epoch::new(fastrand::u64(..));
            let memory = MemoryLog::new(snapshots.view(|config| &config.history), Clock::system(), epoch);
            OpenedLog { shared: Arc::new(memory.clone()), memory }
        }
    }
}

fn server_conf() -> ServerConf {
    ServerConf {
        // Our own drain has ended everything by the time pingora is told.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    }
}

fn now() -> Millis {
    Clock::system().now()
}
