//! sidestream itself, release build, with its defaults but for the ports and what a scenario needs.

use std::process::Command;

use super::{Contender, Endpoint, folder, free_addrs};
use crate::Res;
use crate::args::Args;
use crate::metrics;

pub fn start(args: &Args, settings: &str) -> Res<Contender> {
    let [edge, ingress, admin] = free_addrs()?;
    let folder = folder()?;
    let file = folder.path().join("sidestream.yaml");
    std::fs::write(
        &file,
        format!(
            "edge:\n  listen: {edge}\ningress:\n  listen: {ingress}\nadmin:\n  listen: {admin}\n{settings}"
        ),
    )?;
    let mut command = Command::new(std::path::absolute(&args.sidestream)?);
    command.args(["serve", "-c"]).arg(&file).env_remove("SIDESTREAM_CONFIG").env_remove("SIDESTREAM_LOG");
    let subscribe = Endpoint::new(edge, "/topics/bench");
    let publish = Endpoint::new(ingress, "/webhooks/bench");
    let mut contender = Contender::spawn(command, folder, [subscribe, publish.clone(), publish])?;
    contender.wait_for(admin)?;
    metrics::wait_ready(&Endpoint::new(admin, "/readyz"))?;
    contender.metrics = Some(Endpoint::new(admin, "/metrics"));
    Ok(contender)
}
