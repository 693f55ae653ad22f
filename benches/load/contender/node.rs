//! Node's `http`, in the shape of the tutorials.

use std::process::Command;

use super::{Contender, Endpoint, folder, free_addrs};
use crate::Res;
use crate::args::Args;

const SCRIPT: &str = include_str!("node.js");

pub fn start(args: &Args) -> Res<Contender> {
    let [addr] = free_addrs()?;
    let folder = folder()?;
    let file = folder.path().join("server.js");
    std::fs::write(&file, SCRIPT)?;
    let mut command = Command::new(&args.node);
    command.arg(&file).arg(addr.port().to_string());
    let at = |path: &'static str| Endpoint::new(addr, path);
    Contender::spawn(command, folder, [at("/events"), at("/publish"), at("/publish")])
}
