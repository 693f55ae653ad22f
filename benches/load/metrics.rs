//! Asks sidestream once: its admin listener's figures, and pages of history.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::contender::Endpoint;
use crate::http1::{Body, HeadReader};
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

/// A page of JSON.
pub fn json(endpoint: &Endpoint) -> Res<Value> {
    let mut socket = TcpStream::connect(endpoint.addr)?;
    socket.set_read_timeout(Some(ANSWER_LIMIT))?;
    let Endpoint { addr, path } = endpoint;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nAccept: application/json\r\n");
    write!(socket, "{head}Connection: close\r\n\r\n")?;
    let (mut answer, mut text) = (Vec::new(), Vec::new());
    socket.read_to_end(&mut answer)?;
    let (head, body) = HeadReader::default().feed(&answer)?.ok_or("no whole answer")?;
    if head.status != 200 {
        return Err(format!("GET {path} is answered {}", head.status).into());
    }
    Body::new(head.framing).feed(body, |bytes| {
        text.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(serde_json::from_slice(&text)?)
}

/// The value of a metric, its labels as they stand there.
pub fn value(endpoint: &Endpoint, name: &str) -> Res<f64> {
    let answer = get(endpoint)?;
    let line = answer.lines().find_map(|l| l.strip_prefix(name).filter(|rest| rest.starts_with(' ')));
    Ok(line.ok_or_else(|| format!("no {name} in /metrics"))?.trim().parse()?)
}
