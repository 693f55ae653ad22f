//! Reads sidestream's admin listener.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::contender::Endpoint;
use crate::{Res, sys};

const READY_LIMIT: Duration = Duration::from_secs(15);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

fn get(endpoint: &Endpoint) -> Res<String> {
    let mut socket = TcpStream::connect(endpoint.addr)?;
    socket.set_read_timeout(Some(ANSWER_LIMIT))?;
    let Endpoint { addr, path } = endpoint;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

pub fn wait_ready(endpoint: &Endpoint) -> Res<()> {
    let limit = Instant::now() + READY_LIMIT;
    loop {
        sys::check_stop()?;
        if get(endpoint).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            return Ok(());
        }
        if Instant::now() > limit {
            return Err("is not ready in time".into());
        }
        sleep(Duration::from_millis(10));
    }
}

/// The value of a metric without labels.
pub fn value(endpoint: &Endpoint, name: &str) -> Res<f64> {
    let answer = get(endpoint)?;
    let line = answer.lines().find_map(|l| l.strip_prefix(name).filter(|rest| rest.starts_with(' ')));
    Ok(line.ok_or_else(|| format!("no {name} in /metrics"))?.trim().parse()?)
}
