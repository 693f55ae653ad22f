//! Where a configuration comes from, and which files it was made of.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Bytes of a configuration file: what a Kubernetes `ConfigMap` holds at most.
pub(super) const FILE_BYTES: u64 = 1024 * 1024;

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The embedded defaults: the same as an empty file.
    Defaults,
    /// A YAML file.
    File(PathBuf),
}

impl Source {
    /// The name that problems are reported under.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Defaults => "(defaults)".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Where relative paths in the configuration start.
    pub(super) fn folder(&self) -> PathBuf {
        match self {
            Self::Defaults => PathBuf::new(),
            Self::File(path) => path.parent().map(Path::to_owned).unwrap_or_default(),
        }
    }
}

/// The files a configuration was made of, with what they held then. Two are equal when nothing has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched(BTreeMap<PathBuf, Content>);

/// A file's content, as far as a change of it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    /// It could not be read.
    Absent,
    /// It holds nothing.
    Empty,
    /// The SHA-256 of what it holds.
    Digest([u8; 32]),
}

impl Watched {
    /// Adds a file with what was read of it. Pipes and devices are left out: they cannot be looked at again.
    pub(super) fn add(&mut self, path: &Path, read: &Result<Vec<u8>, String>) {
        if path.is_file() || !path.exists() {
            self.0.insert(path.to_owned(), Content::of(read));
        }
    }

    /// Adds a file with what it holds now. Called before the file is used: a change in between is seen as one.
    pub(super) fn look_at(&mut self, path: &Path) {
        if path.is_file() || !path.exists() {
            self.0.insert(path.to_owned(), Content::read(path));
        }
    }

    /// The files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// Whether a file that held something in `before` holds nothing here.
    pub(super) fn has_lost(&self, before: &Self) -> bool {
        let held = |path| matches!(before.0.get(path), Some(Content::Digest(_)));
        self.0.iter().any(|(path, content)| !matches!(content, Content::Digest(_)) && held(path))
    }

    /// The same files with what they hold now.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(self.0.keys().map(|path| (path.clone(), Content::read(path))).collect())
    }
}

impl Content {
    fn read(path: &Path) -> Self {
        // Whatever has taken the file's place may block when it is read.
        if !path.is_file() {
            return Self::Absent;
        }
        Self::of(&read_bounded(path, FILE_BYTES))
    }

    fn of(read: &Result<Vec<u8>, String>) -> Self {
        match read {
            Err(_) => Self::Absent,
            Ok(bytes) if bytes.is_empty() => Self::Empty,
            Ok(bytes) => Self::Digest(Sha256::digest(bytes).into()),
        }
    }
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// Says why not, without the path.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("it has more than {limit} bytes; at most {limit} bytes are allowed"));
    }
    Ok(bytes)
}
