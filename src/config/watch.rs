//! Notices that a file of the configuration has changed.
//!
//! What is watched are folders, not files: an editor replaces a file by renaming another over it, and Kubernetes swaps a
//! symlink beside it (`..data`). A notification is only a hint to look: a reload is worth trying when the files hold
//! something else than what was loaded. Whatever no notification tells (a folder that was replaced, a file system
//! without them) is found by looking every [`Times::POLL`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::source::Watched;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Silence after which a burst of writes counts as over.
    quiet: Duration,
    /// The end of a burst that never falls silent.
    burst: Duration,
    /// How long a file that has just become empty or vanished is given to come back: a writer may stand between
    /// truncating and writing, and an empty file would mean the defaults.
    grace: Duration,
    /// How often to look without a hint.
    poll: Duration,
}

impl Times {
    const POLL: Duration = Duration::from_secs(10);
    const USUAL: Self = Self {
        quiet: Duration::from_millis(100),
        burst: Duration::from_secs(2),
        grace: Duration::from_secs(1),
        poll: Self::POLL,
    };
}

/// Watches the files of a configuration.
pub struct Watcher {
    seen: Watched,
    hints: Arc<Notify>,
    notifier: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    times: Times,
}

impl Watcher {
    /// Watches `watched`, from [`super::Loaded`] or [`super::Rejected`]: a change since it was loaded is a change.
    ///
    /// Where the system gives no notifications the files are still looked at every ten seconds, and a warning is logged.
    #[must_use]
    pub fn new(watched: Watched) -> Self {
        Self::with(watched, Times::USUAL)
    }

    fn with(watched: Watched, times: Times) -> Self {
        let hints = Arc::new(Notify::new());
        let hint = Arc::clone(&hints);
        let notifier = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Looking at a file is an access too: to follow those would be to follow ourselves.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                hint.notify_one();
            }
        });
        let notifier = notifier.inspect_err(|error| unnoticed(Path::new("."), error)).ok();
        let mut this = Self { seen: watched, hints, notifier, folders: BTreeSet::new(), times };
        this.watch_folders();
        this
    }

    /// Goes on from what was loaded just now, well or not.
    pub fn follow(&mut self, watched: Watched) {
        self.seen = watched;
        self.watch_folders();
    }

    /// Waits until a reload is worth trying: some file holds something else than when it was loaded, or than at the
    /// last change told. Cancel-safe: a change is told until it has been returned.
    pub async fn changed(&mut self) {
        while !self.look().await {
            // A hint that came while nobody waited is kept, so none is lost between the look and the wait.
            let _ = timeout(self.times.poll, self.hints.notified()).await;
            self.settle().await;
        }
    }

    /// Looks once, and says whether something has changed.
    async fn look(&mut self) -> bool {
        let mut now = self.read().await;
        if now.has_lost(&self.seen) {
            let _ = timeout(self.times.grace, self.hints.notified()).await;
            self.settle().await;
            now = self.read().await;
        }
        let changed = now != self.seen;
        self.seen = now;
        // After every look: the folders behind symlinks are others by now, and a replaced folder has lost its watch.
        self.watch_folders();
        changed
    }

    /// Waits for the end of a burst of writes.
    async fn settle(&self) {
        let end = Instant::now() + self.times.burst;
        while Instant::now() < end && timeout(self.times.quiet, self.hints.notified()).await.is_ok() {}
    }

    async fn read(&self) -> Watched {
        let seen = self.seen.clone();
        tokio::task::spawn_blocking(move || seen.again()).await.unwrap_or_else(|_| self.seen.clone())
    }

    fn watch_folders(&mut self) {
        let Some(notifier) = &mut self.notifier else { return };
        let folders: BTreeSet<PathBuf> = self.seen.paths().flat_map(folders_of).collect();
        for gone in self.folders.difference(&folders) {
            // It may be gone from the disk, and its watch with it.
            let _ = notifier.unwatch(gone);
        }
        for folder in &folders {
            if let Err(error) = notifier.watch(folder, RecursiveMode::NonRecursive)
                && !self.folders.contains(folder)
            {
                unnoticed(folder, &error);
            }
        }
        self.folders = folders;
    }
}

/// The folders in which a change of the file shows: its own, and that of the file behind its symlinks.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    };
    let mut folders = vec![folder(path)];
    folders.extend(path.canonicalize().ok().map(|target| folder(&target)));
    folders
}

fn unnoticed(folder: &Path, error: &notify::Error) {
    let seconds = Times::POLL.as_secs();
    let folder = folder.display();
    tracing::warn!(%folder, %error, "no notifications of changed files; looking every {seconds} s instead");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Far below the poll, so that it is the notification that is seen.
    const SOON: Duration = Duration::from_secs(5);

    fn watched(path: &Path) -> Watched {
        let mut watched = Watched::default();
        watched.look_at(path);
        watched
    }

    /// Does `change` while a change is waited for, and waits for it.
    fn noticed(path: &Path, change: impl FnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut watcher = Watcher::new(watched(path));
            assert!(!watcher.look().await, "nothing has changed yet");
            change();
            timeout(SOON, watcher.changed()).await.expect("the change is noticed");
            assert_eq!(watcher.seen, watched(path));
            assert!(!watcher.look().await, "and told once");
        });
    }

    #[test]
    fn a_write_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "edge: {}").unwrap();
        noticed(&path, || std::fs::write(&path, "ingress: {}").unwrap());
    }

    #[test]
    fn a_rename_over_it_as_editors_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "edge: {}").unwrap();
        noticed(&path, || {
            let new = folder.path().join(".a.yaml.swp");
            std::fs::write(&new, "ingress: {}").unwrap();
            std::fs::rename(&path, folder.path().join("a.yaml~")).unwrap();
            std::fs::rename(&new, &path).unwrap();
        });
    }

    /// As the kubelet does: `a.yaml` → `..data/a.yaml`, `..data` → a folder by time, swapped by a rename.
    #[test]
    fn a_swap_of_the_symlink_behind_a_config_map_twice() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let publish = |time: &str, text: &str| {
            std::fs::create_dir(at(time)).unwrap();
            std::fs::write(at(time).join("a.yaml"), text).unwrap();
            symlink(time, at("..data_tmp")).unwrap();
            std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        };
        publish("..1", "edge: {}");
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        noticed(&at("a.yaml"), || {
            publish("..2", "ingress: {}");
            std::fs::remove_dir_all(at("..1")).unwrap();
        });
        noticed(&at("a.yaml"), || publish("..3", "admin: {}"));
    }

    #[test]
    fn a_file_that_is_deleted_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "edge: {}").unwrap();
        noticed(&path, || std::fs::remove_file(&path).unwrap());
        noticed(&path, || std::fs::write(&path, "edge: {}").unwrap());
    }

    #[test]
    fn a_file_behind_a_symlink_elsewhere() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(there.path().join("b.yaml"), "edge: {}").unwrap();
        symlink(there.path().join("b.yaml"), here.path().join("a.yaml")).unwrap();
        noticed(&here.path().join("a.yaml"), || {
            std::fs::write(there.path().join("b.yaml"), "ingress: {}").unwrap();
        });
    }

    #[test]
    fn a_change_before_the_watch_began_and_a_touch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "edge: {}").unwrap();
        let loaded = watched(&path);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            std::fs::write(&path, "edge: {}").unwrap();
            let mut watcher = Watcher::new(loaded.clone());
            assert!(!watcher.look().await, "written, but the same");
            std::fs::write(&path, "ingress: {}").unwrap();
            let mut watcher = Watcher::new(loaded);
            timeout(SOON, watcher.changed()).await.expect("changed between load and watch");
        });
    }

    /// A writer that has truncated and not yet written is waited for.
    #[test]
    fn an_emptied_file_is_given_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "edge: {}").unwrap();
        let patient = Times { grace: SOON, ..Times::USUAL };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut watcher = Watcher::with(watched(&path), patient);
            std::fs::write(&path, "").unwrap();
            let writer = async { std::fs::write(&path, "ingress: {}").unwrap() };
            let ((), ()) = tokio::join!(watcher.changed(), writer);
            assert_eq!(watcher.seen, watched(&path), "what was told is what was written");
        });
    }

    /// A swapped folder above the file gives no notification where we listen.
    #[test]
    fn what_no_notification_tells_is_found_by_looking() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, text) in [("v1", "edge: {}"), ("v2", "ingress: {}")] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::write(at(name).join("a.yaml"), text).unwrap();
        }
        symlink("v1", at("current")).unwrap();
        let path = at("current").join("a.yaml");
        let often = Times { poll: Duration::from_millis(10), ..Times::USUAL };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut watcher = Watcher::with(watched(&path), often);
            assert!(!watcher.look().await);
            symlink("v2", at("new")).unwrap();
            std::fs::rename(at("new"), at("current")).unwrap();
            timeout(SOON, watcher.changed()).await.expect("found by looking");
        });
    }
}
