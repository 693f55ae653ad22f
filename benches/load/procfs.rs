//! What the kernel says of a process: CPU spent, memory held; and of this machine.

use std::fs;

use crate::Res;

/// `USER_HZ` is 100 on every Linux this runs on; the kernel scales a process's times from its exact run time.
const TICK_MICROS: f64 = 10_000.0;

/// `root` and all its descendants, so that nginx's workers count.
pub fn family(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        if let Some(parent) = stat_fields(pid).and_then(|f| f.get(1)?.parse::<u32>().ok()) {
            parents.push((pid, parent));
        }
    }
    let mut members = vec![root];
    let mut at = 0;
    while at < members.len() {
        let parent = members[at];
        members.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    members
}

pub fn is_alive(pid: u32) -> bool {
    stat_fields(pid).is_some_and(|fields| fields.first().is_some_and(|state| state != "Z"))
}

/// User and system time in µs of all of them.
pub fn cpu_micros(pids: &[u32]) -> f64 {
    let ticks = |pid: &u32| -> Option<f64> {
        let fields = stat_fields(*pid)?;
        Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
    };
    pids.iter().filter_map(ticks).sum::<f64>() * TICK_MICROS
}

/// A moment's CPU counters: the server's, the generator's, and the whole machine's.
#[derive(Clone, Copy)]
pub struct Cpu {
    pub server: f64,
    pub generator: f64,
    machine: f64,
}

impl Cpu {
    pub fn now(server: &[u32]) -> Cpu {
        let server = cpu_micros(server);
        Cpu { server, generator: cpu_micros(&[std::process::id()]), machine: machine_cpu_micros() }
    }

    /// What was spent since `before`, as cores: the server's, the generator's, and what others took from both.
    pub fn cores_since(&self, before: &Cpu, seconds: f64) -> [(&'static str, f64); 3] {
        let server = (self.server - before.server) / seconds / 1e6;
        let generator = (self.generator - before.generator) / seconds / 1e6;
        let machine = (self.machine - before.machine) / seconds / 1e6;
        let others = (machine - server - generator).max(0.0);
        [("server_cores", server), ("generator_cores", generator), ("other_cores", others)]
    }
}

/// Everything but idle and waiting for disks: user, nice, system, irq, softirq, steal.
fn machine_cpu_micros() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<f64> = line.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    [0, 1, 2, 5, 6, 7].iter().filter_map(|i| fields.get(*i)).sum::<f64>() * TICK_MICROS
}

/// Fields of /proc/PID/stat from the third (state) on: the second may contain spaces.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// Proportional set size in bytes of all of them.
pub fn pss_bytes(pids: &[u32]) -> Res<f64> {
    let mut total = 0.0;
    for pid in pids {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = rollup.lines().find_map(|l| l.strip_prefix("Pss:")).ok_or("no Pss in smaps_rollup")?;
        total += line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0;
    }
    Ok(total)
}

/// Resident bytes of all of them. What is shared counts for each; but to look takes no lock of theirs and no time, where
/// [`pss_bytes`] walks every page: for looking often while latency is measured.
pub fn rss_bytes(pids: &[u32]) -> Res<f64> {
    let mut total = 0.0;
    for pid in pids {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).ok_or("no VmRSS in status")?;
        total += line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0;
    }
    Ok(total)
}

/// Bytes the kernel holds in TCP buffers, both ends of every connection of this machine.
pub fn tcp_buffer_bytes() -> f64 {
    const PAGE: f64 = 4096.0;
    let pages = || -> Option<f64> {
        let text = fs::read_to_string("/proc/net/sockstat").ok()?;
        let tcp = text.lines().find(|l| l.starts_with("TCP:"))?;
        tcp.split_whitespace().skip_while(|w| *w != "mem").nth(1)?.parse().ok()
    };
    pages().unwrap_or(0.0) * PAGE
}

pub fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

pub fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(": "));
    model.map_or("unknown", |(_, name)| name).to_owned()
}
