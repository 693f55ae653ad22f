//! The program as a child process.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::{LOOK, Metrics, PATIENCE, get, until};

/// A running sidestream with a configuration of its own. It is killed when this is dropped.
pub struct Gateway {
    child: Mutex<Child>,
    pub edge: String,
    pub ingress: String,
    pub admin: String,
    stderr: Arc<Mutex<String>>,
    folder: tempfile::TempDir,
}

/// How a process ended, and what it said.
pub struct Exit {
    pub status: ExitStatus,
    pub stderr: String,
}

impl Gateway {
    /// Starts with `yaml`, whose sections `edge`, `ingress` and `admin`, if there are any, are written `edge: { … }` on
    /// one line. Where no listener is said it is a free port of loopback. Returns when the program is ready.
    pub async fn start(yaml: &str) -> Self {
        Self::start_with(yaml, |command| command).await
    }

    /// As [`Gateway::start`], with another command line.
    pub async fn start_with(yaml: &str, change: impl FnOnce(Command) -> Command) -> Self {
        let gateway = Self::spawn(yaml, change);
        gateway.ready().await;
        gateway
    }

    /// As [`Gateway::start_with`], but returns as soon as the banner is there.
    pub fn spawn(yaml: &str, change: impl FnOnce(Command) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sidestream.yaml"), with_listeners(yaml)).unwrap();
        Self::spawn_in(folder, "sidestream.yaml", change)
    }

    /// As [`Gateway::spawn`], with a folder that is already filled.
    pub fn spawn_in(folder: tempfile::TempDir, file: &str, change: impl FnOnce(Command) -> Command) -> Self {
        let mut command = change(command(&folder.path().join(file)));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = collect(child.stderr.take().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut address = |name: &str| {
            let line = lines.by_ref().find(|line| line.trim_start().starts_with(name));
            let line = line.unwrap_or_else(|| panic!("no {name} in the banner; {}", stderr.lock().unwrap()));
            line.split_whitespace().nth(1).unwrap().trim_start_matches("http://").to_owned()
        };
        let (edge, ingress, admin) = (address("edge"), address("ingress"), address("admin"));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child: Mutex::new(child), edge, ingress, admin, stderr, folder }
    }

    async fn ready(&self) {
        until("ready", async || (get(&self.admin, "/readyz").await.status == 200).then_some(())).await;
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// What it has said so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until it has said `part`.
    pub async fn says(&self, part: &str) {
        until(part, async || self.stderr().contains(part).then_some(())).await;
    }

    /// The folder of its configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration.
    pub fn file(&self) -> PathBuf {
        self.folder().join("sidestream.yaml")
    }

    /// Replaces its configuration in place; the listeners stay as they were.
    pub fn rewrite(&self, yaml: &str) {
        std::fs::write(self.file(), with_listeners(yaml)).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Tells it to end, as an orchestrator does.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it without a word, and waits until it is gone.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits for its end.
    pub async fn exit(&self) -> Exit {
        let status = until("the process ends", async || self.child.lock().unwrap().try_wait().unwrap()).await;
        // The pipe's end comes after the process's.
        until("the pipe ends", async || (Arc::strong_count(&self.stderr) == 1).then_some(())).await;
        Exit { status, stderr: self.stderr() }
    }

    pub fn has_ended(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_some()
    }

    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(&get(&self.admin, "/metrics").await.text())
    }

    /// Waits until the metric, with its labels, is as wanted, and returns it. A metric that is not there is 0.
    pub async fn wait_for_metric(&self, name: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        let last = Mutex::new(0.0);
        let value = tokio::time::timeout(PATIENCE, async {
            loop {
                let value = self.metrics().await.get(name);
                *last.lock().unwrap() = value;
                if wanted(value) {
                    return value;
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        let Ok(value) = value.await else { panic!("{name} stays {}", last.lock().unwrap()) };
        value
    }

    /// Waits until that many streams are open.
    pub async fn connections(&self, wanted: usize) {
        self.wait_for_metric("sidestream_connections", |open| open == wanted as f64).await;
    }

    /// Its resident memory.
    pub fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Descriptors it holds.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            eprintln!("sidestream said:\n{}", self.stderr());
        }
    }
}

/// Runs the program with a configuration that is expected to end it by itself.
pub async fn run_to_end(yaml: &str) -> Exit {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidestream.yaml");
    std::fs::write(&file, yaml).unwrap();
    let mut child = command(&file).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = collect(child.stderr.take().unwrap());
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("still running: {}", stderr.lock().unwrap());
        }
        tokio::time::sleep(LOOK).await;
    };
    // The pipe's end comes after the process's.
    super::until("the pipe ends", async || (Arc::strong_count(&stderr) == 1).then_some(())).await;
    let stderr = stderr.lock().unwrap().clone();
    Exit { status, stderr }
}

fn command(file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidestream"));
    command.args(["serve", "-c"]).arg(file).stdin(Stdio::null());
    command.env_remove("SIDESTREAM_CONFIG").env("SIDESTREAM_LOG", "info");
    command
}

/// Keeps what comes, for whoever asks.
fn collect(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = writeln!(kept.lock().unwrap(), "{line}");
        }
    });
    text
}

/// Puts free ports where no listener is said.
fn with_listeners(yaml: &str) -> String {
    let mut text = yaml.to_owned();
    for section in ["edge", "ingress", "admin"] {
        let open = format!("{section}: {{");
        match text.lines().find(|line| line.starts_with(&open)) {
            Some(line) if line.contains("listen:") => {}
            Some(_) => text = text.replacen(&open, &format!("{open} listen: \"127.0.0.1:0\","), 1),
            None => {
                assert!(!text.contains(&format!("{section}:")), "{section} is not on one line");
                let _ = write!(text, "\n{section}: {{ listen: \"127.0.0.1:0\" }}");
            }
        }
    }
    text
}
