//! The system calls that have no safe wrapper among our dependencies, and the stop flag.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process, setpriority_process};

use crate::Res;

static STOP: AtomicBool = AtomicBool::new(false);

/// Raises the open-files limit as far as it goes and returns it.
pub fn raise_open_files() -> u64 {
    sidestream::net::raise_open_files()
}

/// The child is told to end when the harness ends in whatever way, `kill -9` included.
pub fn die_with_parent(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe and takes plain integers.
    #[expect(unsafe_code, reason = "there is no safe way to run code between fork and exec")]
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
}

pub fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Fails when it has ended already, which is what is wanted.
        let _ = kill_process(pid, signal);
    }
}

/// Turns SIGINT and SIGTERM into an error of the run under way, so that every guard on the stack cleans up.
pub fn watch_signals() -> Res<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut int), Ok(mut term)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
            STOP.store(true, Ordering::Relaxed);
            // A second one ends at once; children follow through their death signal.
            tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
            std::process::exit(130);
        });
    })?;
    Ok(())
}

/// The calling thread has its turn when it wakes up: for those who listen live, or publish, beside a load that takes all
/// there is. They stand for other machines, whose cores no server takes. Needs a privilege; where it is lacking, the
/// figures show it.
pub fn step_forward() {
    const HIGH: i32 = -10;
    let _ = setpriority_process(None, HIGH);
}

/// The calling thread takes only what others leave of the cores: for load that must not stand in the way of what is measured.
///
/// The lowest priority alone keeps a core until the scheduler's next tick (4 ms on many kernels) from a thread that wakes up;
/// the idle policy lets go of it at once, where `chrt` can set it. Where neither can be had, the figures show it.
pub fn step_back() {
    const LOWEST: i32 = 19;
    // On Linux both are a thread's own.
    let _ = setpriority_process(None, LOWEST);
    let Ok(own) = std::fs::read_link("/proc/thread-self") else { return };
    let Some(thread) = own.file_name() else { return };
    let _ = std::process::Command::new("chrt").args(["--idle", "--pid", "0"]).arg(thread).status();
}

pub fn check_stop() -> Res<()> {
    if STOP.load(Ordering::Relaxed) { Err("interrupted".into()) } else { Ok(()) }
}
