//! Connects to a server from one of many source addresses.

use std::net::{Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};

use crate::Res;

/// Source addresses 127.0.0.2 and up: a port closed by us stays taken for a minute (`TIME_WAIT`), and one
/// address has 28,000 of them.
const SOURCES: usize = 24;

/// Begins to connect; once the socket is writable it is connected, or has an error. Each `index` has its source address.
pub fn dial(addr: SocketAddr, index: usize) -> Res<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    let source = Ipv4Addr::new(127, 0, 0, 2 + (index % SOURCES) as u8);
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&addr.into()) {
        Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => Err(e.into()),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
