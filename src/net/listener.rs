//! Bound addresses.
//!
//! Every listener is bound before anything starts, so that an address that is taken is one clear error instead of a
//! half-started process.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::address::Address;

/// Connections the kernel keeps for us until they are accepted. The kernel caps it at `net.core.somaxconn` (4096 on
/// current Linux), which is what a burst of reconnecting subscribers needs.
const BACKLOG: i32 = 4096;

/// Permissions of a unix socket's file: its owner and group. Others have no business in a pod's sidecar.
const SOCKET_MODE: u32 = 0o660;

/// A peer that is gone without a word is noticed after idle + probes × interval = 90 s.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// A bound, listening socket. A unix socket's file is removed when it is dropped, or when what
/// [`Listener::take_file`] gave is.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    local: Address,
    /// Held for its drop.
    file: Option<SocketFile>,
}

/// Why an address could not be listened on, with the configuration key that names it.
#[derive(Debug, thiserror::Error)]
#[error("{key} {address}: {}", reason(.source))]
pub struct BindError {
    /// The key, such as `edge.listen`.
    pub key: &'static str,
    /// The address that was asked for.
    pub address: Address,
    /// The cause.
    pub source: io::Error,
}

impl Listener {
    /// Binds and listens. Of a host name's addresses the first that can be bound is taken, IPv4 before IPv6; `[::]` takes
    /// both families. Blocks for the name look-up: call it at start only.
    ///
    /// A unix socket's file that no process listens on any more is replaced.
    ///
    /// # Errors
    /// [`BindError`]: the address is taken, not ours, not permitted, or does not resolve.
    pub fn bind(key: &'static str, address: &Address) -> Result<Self, BindError> {
        let bound = match address {
            Address::Tcp { host, port } => bind_host(host, *port),
            Address::Unix(path) => bind_unix(path),
        };
        bound.map_err(|source| BindError { key, address: address.clone(), source })
    }

    /// Where it listens, with the port that the kernel chose.
    #[must_use]
    pub fn local(&self) -> &Address {
        &self.local
    }

    /// For people: `http://127.0.0.1:8080` or `unix:/path`.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.local {
            Address::Tcp { .. } => format!("http://{}", self.local),
            Address::Unix(_) => self.local.to_string(),
        }
    }

    /// The unix socket's file, for who outlives the listener: an accept loop is not always waited for at the exit.
    pub fn take_file(&mut self) -> Option<SocketFile> {
        self.file.take()
    }

    /// The socket for the accept loop; `self` stays alive for the file's sake.
    pub(super) fn socket(&self) -> io::Result<Socket> {
        self.socket.try_clone()
    }
}

fn bind_host(host: &str, port: u16) -> io::Result<Listener> {
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut failure = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match bind_tcp(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Without it a restart would wait for the last life's connections to leave TIME_WAIT. It does not let two processes
    // listen on one port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Accepted sockets inherit these, which saves three system calls for each.
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let local = socket.local_addr()?.as_socket().unwrap_or(address);
    let local = Address::Tcp { host: local.ip().to_string(), port: local.port() };
    Ok(Listener { socket, local, file: None })
}

fn bind_unix(path: &Path) -> io::Result<Listener> {
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    if let Err(error) = socket.bind(&address) {
        if error.kind() != ErrorKind::AddrInUse {
            return Err(error);
        }
        remove_stale(path, &address)?;
        socket.bind(&address)?;
    }
    let file = SocketFile::of(path)?;
    // Before it listens nobody can connect, so there is no moment with the wrong permissions.
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Listener { socket, local: Address::Unix(path.to_owned()), file: Some(file) })
}

/// Removes the socket file of a process that is gone; anything else at `path` stays and is an error.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "a file that is no socket is there"));
    }
    match Socket::new(Domain::UNIX, Type::STREAM, None)?.connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(()) => Err(ErrorKind::AddrInUse.into()),
        Err(error) => Err(error),
    }
}

/// A unix socket's file, removed on drop as long as it is still the one that was made here.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: meta.dev(), inode: meta.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|meta| (meta.dev(), meta.ino()) == (self.device, self.inode));
        if ours {
            // Nothing is left to tell when it fails: the next start replaces the stale file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The cause in plain words; the kernel's otherwise.
fn reason(error: &io::Error) -> impl fmt::Display + use<> {
    match error.kind() {
        ErrorKind::AddrInUse => "address already in use".to_owned(),
        ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn bind(text: &str) -> Result<Listener, BindError> {
        Listener::bind("edge.listen", &text.parse().unwrap())
    }

    #[test]
    fn port_zero_is_told_and_taken_ports_are_a_clear_error() {
        let first = bind("127.0.0.1:0").unwrap();
        let address = first.local().to_string();
        assert!(!address.ends_with(":0"));
        assert_eq!(first.url(), format!("http://{address}"));
        let error = bind(&address).unwrap_err();
        assert_eq!(error.to_string(), format!("edge.listen {address}: address already in use"));
    }

    #[test]
    fn names_and_v6_bind() {
        assert!(bind("localhost:0").unwrap().url().starts_with("http://127.0.0.1:"));
        if let Ok(v6) = bind("[::1]:0") {
            assert!(v6.url().starts_with("http://[::1]:"));
        }
        assert!(
            bind("no-such-host.invalid:0")
                .unwrap_err()
                .to_string()
                .starts_with("edge.listen no-such-host.invalid:0: ")
        );
        assert_eq!(
            bind("192.0.2.1:0").unwrap_err().to_string(),
            "edge.listen 192.0.2.1:0: this machine has no such address"
        );
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("edge.sock");
        let text = format!("unix:{}", path.display());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library leaves the file behind");

        let live = bind(&text).unwrap();
        assert_eq!(live.url(), text);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        UnixStream::connect(&path).unwrap();
        assert_eq!(
            bind(&text).unwrap_err().to_string(),
            format!("edge.listen {text}: address already in use")
        );
        assert!(path.exists());
        drop(live);
        assert!(!path.exists());
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        let text = format!("unix:{}", path.display());
        fs::write(&path, "data").unwrap();
        assert!(bind(&text).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"data");

        fs::remove_file(&path).unwrap();
        let mine = bind(&text).unwrap();
        fs::remove_file(&path).unwrap();
        let theirs = UnixListener::bind(&path).unwrap();
        drop(mine);
        assert!(path.exists(), "removed another process's socket");
        drop(theirs);
    }
}
