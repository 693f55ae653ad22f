//! The list of sources.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::config::check::Check;
use crate::config::marks::item;
use crate::config::written::{Environment, SourceName, SourcePath, Text};
use crate::edge;
use crate::ingress::{Registry, Sources};
use crate::relay::Plans;
use crate::secret::Secret;

use super::{At, Raw};

/// The list as written.
pub(in crate::config) type List = Vec<Raw>;

/// What the sources come to.
pub(in crate::config::section) struct Built {
    pub sources: Sources,
    pub plans: Plans,
    /// Room for dedupe keys that each asks for, by name.
    pub dedupe_keys: Vec<(String, Option<usize>)>,
}

/// The sources, compiled; without any, the one of contract 3.
pub(in crate::config::section) fn build(
    list: &[Raw],
    edge: &edge::Settings,
    check: &mut Check<'_>,
    environment: &Environment<'_>,
    registry: &Registry,
) -> Built {
    if list.is_empty() {
        return Built { sources: Sources::default(), plans: Plans::default(), dedupe_keys: Vec::new() };
    }
    distinct(list, check);
    let (mut sources, mut plans) = (Vec::new(), Vec::new());
    for (index, raw) in list.iter().enumerate() {
        let path = item("sources", index);
        let mut at = At { path: &path, check, environment, registry, edge };
        if let Some((source, plan)) = raw.build(&mut at) {
            plans.extend(plan.map(|plan| (source.name.to_string(), plan)));
            sources.push(source);
        }
    }
    let keys = |raw: &Raw| raw.name.as_ref().map(|Text(SourceName(name))| (name.clone(), raw.dedupe_keys()));
    let dedupe_keys = list.iter().filter_map(keys).collect();
    Built { sources: Sources::new(sources), plans: plans.into_iter().collect(), dedupe_keys }
}

/// Names and paths are given once.
fn distinct(list: &[Raw], check: &mut Check<'_>) {
    let (mut names, mut paths) = (HashMap::new(), HashMap::new());
    for (index, raw) in list.iter().enumerate() {
        if let Some(Text(SourceName(name))) = &raw.name {
            let first = *names.entry(name).or_insert(index);
            if first != index {
                let message = format!("{name} is the name of sources[{first}] too; expected another");
                check.refuse(&format!("{}.name", item("sources", index)), message);
            }
        }
        if let Some(Text(SourcePath(path))) = &raw.path {
            let first = *paths.entry(path).or_insert(index);
            if first != index {
                let message = format!("{path} is the path of sources[{first}] too; expected another");
                check.refuse(&format!("{}.path", item("sources", index)), message);
            }
        }
    }
}

/// The files that secrets are in.
pub(in crate::config::section) fn secret_files(list: &[Raw], environment: &Environment<'_>) -> Vec<PathBuf> {
    list.iter().flat_map(|raw| raw.secret_files(environment)).collect()
}

/// What must not be shown but may change, by a key that names its source.
pub(in crate::config) fn secrets(list: &[Raw], environment: &Environment<'_>) -> Vec<(String, Secret)> {
    let of = |(index, raw): (usize, &Raw)| {
        let name = raw.name.as_ref().map_or_else(|| index.to_string(), |Text(SourceName(name))| name.clone());
        raw.secrets(&format!("sources.{name}"), environment)
    };
    list.iter().enumerate().flat_map(of).collect()
}

impl Raw {
    fn secret_files(&self, environment: &Environment<'_>) -> Vec<PathBuf> {
        let mut files = Vec::new();
        files.extend(self.verify.iter().flat_map(|verify| verify.secret_files(environment)));
        files.extend(self.handshake.iter().flat_map(|raw| raw.secret_files(environment)));
        files.extend(self.steps.iter().flat_map(|step| step.secret_files(environment)));
        files
    }
}
