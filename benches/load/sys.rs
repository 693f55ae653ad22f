//! The system calls that have no safe wrapper among our dependencies, and the stop flag.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Res;

static STOP: AtomicBool = AtomicBool::new(false);

/// Raises the open-files limit as far as it goes and returns it.
pub fn raise_open_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a valid pointer to a local that outlives them.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 1024;
        }
        let wanted = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) == 0 {
            wanted.rlim_cur
        } else {
            limit.rlim_cur
        }
    }
}

/// The child is told to end when the harness ends in whatever way, `kill -9` included.
pub fn die_with_parent(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe and takes plain integers.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
}

pub fn terminate(pid: u32) {
    signal(pid, libc::SIGTERM);
}

pub fn kill(pid: u32) {
    signal(pid, libc::SIGKILL);
}

fn signal(pid: u32, number: i32) {
    // SAFETY: plain integers; the process is a descendant of ours that was alive a moment ago.
    unsafe { libc::kill(pid as i32, number) };
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

pub fn check_stop() -> Res<()> {
    if STOP.load(Ordering::Relaxed) { Err("interrupted".into()) } else { Ok(()) }
}
