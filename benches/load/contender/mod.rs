//! Those compared, each started as a child process on a free loopback port and ended with its guard.

mod floor;
mod nchan;
mod node;
mod pingora;
mod sidestream;

use std::borrow::Cow;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::args::Args;
use crate::payload::LEN;
use crate::{Res, procfs, sys};

pub use floor::serve as serve_floor;
pub use pingora::serve as serve_pingora;

const START_LIMIT: Duration = Duration::from_secs(15);
const END_LIMIT: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A loop of `send()` of one thread: what the kernel alone costs.
    Floor,
    /// A task per subscriber in a bare pingora handler.
    Pingora,
    Sidestream,
    Nchan,
    /// The server of the tutorials.
    Node,
}

pub const ALL: [Kind; 5] = [Kind::Floor, Kind::Pingora, Kind::Sidestream, Kind::Nchan, Kind::Node];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Floor => "floor",
            Kind::Pingora => "pingora",
            Kind::Sidestream => "sidestream",
            Kind::Nchan => "nchan",
            Kind::Node => "node",
        }
    }

    /// Why this contender can't be started here, if it can't.
    pub fn absent(self, args: &Args) -> Option<String> {
        let needed: Vec<&Path> = match self {
            Kind::Floor | Kind::Pingora => vec![],
            Kind::Sidestream => vec![&args.sidestream],
            Kind::Nchan => vec![&args.nginx, &args.nchan_module],
            Kind::Node => vec![&args.node],
        };
        let gone = needed.into_iter().find(|path| !path.is_file())?;
        Some(format!("{} is not there", gone.display()))
    }

    /// Version as the program itself says it.
    pub fn version(self, args: &Args) -> String {
        let said = |program: &Path, flag: &str| {
            let output = Command::new(program).arg(flag).output().ok()?;
            let text = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
        };
        let version = match self {
            Kind::Floor => return "written for this bench".into(),
            Kind::Pingora => return "pingora 0.9.1".into(),
            Kind::Sidestream => said(&args.sidestream, "--version"),
            Kind::Nchan => said(&args.nginx, "-v").map(|v| format!("{v}, nchan {}", nchan::version())),
            Kind::Node => said(&args.node, "--version"),
        };
        version.unwrap_or_else(|| "unknown".into())
    }

    /// `settings` are lines of sidestream's configuration beside its ports; the others have none.
    pub fn start(self, args: &Args, settings: &str) -> Res<Contender> {
        match self {
            Kind::Floor => floor::start(),
            Kind::Pingora => pingora::start(),
            Kind::Sidestream => sidestream::start(args, settings),
            Kind::Nchan => nchan::start(args),
            Kind::Node => node::start(args),
        }
    }
}

/// Where a request goes.
#[derive(Clone)]
pub struct Endpoint {
    pub addr: SocketAddr,
    pub path: Cow<'static, str>,
}

impl Endpoint {
    pub fn new(addr: SocketAddr, path: impl Into<Cow<'static, str>>) -> Endpoint {
        Endpoint { addr, path: path.into() }
    }

    /// Another path of the same server.
    pub fn at(&self, path: impl Into<Cow<'static, str>>) -> Endpoint {
        Endpoint::new(self.addr, path)
    }

    /// A request for the stream, from behind `last_id` on if there is one.
    pub fn get(&self, last_id: Option<&[u8]>) -> Vec<u8> {
        let Endpoint { addr, path } = self;
        let mut request =
            format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nAccept: text/event-stream\r\n").into_bytes();
        if let Some(id) = last_id {
            request.extend_from_slice(&[b"Last-Event-ID: ", id, b"\r\n"].concat());
        }
        request.extend_from_slice(b"\r\n");
        request
    }

    /// Everything before the body, which is always `LEN` bytes.
    pub fn post_head(&self) -> Vec<u8> {
        let Endpoint { addr, path } = self;
        let kind = "Content-Type: text/plain";
        format!("POST {path} HTTP/1.1\r\nHost: {addr}\r\n{kind}\r\nContent-Length: {LEN}\r\n\r\n")
            .into_bytes()
    }
}

/// A running contender; dropping it ends the process and removes its folder.
pub struct Contender {
    child: Child,
    folder: TempDir,
    pub subscribe: Endpoint,
    pub publish: Endpoint,
    /// Where webhooks/s are counted.
    pub accept: Endpoint,
    pub metrics: Option<Endpoint>,
}

impl Contender {
    /// Starts `command` with its output in `folder`/log and waits until its ports accept connections.
    fn spawn(mut command: Command, folder: TempDir, endpoints: [Endpoint; 3]) -> Res<Contender> {
        let log = File::create(folder.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        sys::die_with_parent(&mut command);
        let child = command.spawn()?;
        let [subscribe, publish, accept] = endpoints;
        let mut me = Contender { child, folder, subscribe, publish, accept, metrics: None };
        for addr in [me.subscribe.addr, me.publish.addr, me.accept.addr] {
            me.wait_for(addr)?;
        }
        Ok(me)
    }

    fn wait_for(&mut self, addr: SocketAddr) -> Res<()> {
        let limit = Instant::now() + START_LIMIT;
        loop {
            sys::check_stop()?;
            if TcpStream::connect(addr).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("ended at once ({status}): {}", self.log_tail()).into());
            }
            if Instant::now() > limit {
                return Err(format!("does not listen on {addr}: {}", self.log_tail()).into());
            }
            sleep(Duration::from_millis(10));
        }
    }

    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }

    pub fn pids(&self) -> Vec<u32> {
        procfs::family(self.child.id())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        let family = self.pids();
        if matches!(self.child.try_wait(), Ok(None)) {
            sys::terminate(self.child.id());
        }
        let limit = Instant::now() + END_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < limit {
            sleep(Duration::from_millis(10));
        }
        // Errors here mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A master that had to be killed leaves its workers behind.
        for orphan in family.into_iter().skip(1).filter(|pid| procfs::is_alive(*pid)) {
            sys::kill(orphan);
        }
    }
}

/// `N` free loopback addresses: held together for a moment, so that they differ.
fn free_addrs<const N: usize>() -> Res<[SocketAddr; N]> {
    let mut listeners = Vec::new();
    for _ in 0..N {
        listeners.push(TcpListener::bind(("127.0.0.1", 0))?);
    }
    let mut addrs = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for (addr, listener) in addrs.iter_mut().zip(&listeners) {
        *addr = listener.local_addr()?;
    }
    Ok(addrs)
}

/// This bench itself, as one of its servers.
fn own_server(name: &str, addr: SocketAddr) -> Res<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", name, &addr.to_string()]);
    Ok(command)
}

fn folder() -> Res<TempDir> {
    Ok(tempfile::Builder::new().prefix("sidestream-load-").tempdir()?)
}

/// A program by its path, or found along PATH.
pub fn find_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    folders.into_iter().map(|folder| folder.join(name)).find(|p| p.is_file()).unwrap_or_else(|| name.into())
}
