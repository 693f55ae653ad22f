//! What an operator may know of the sources.

use super::app::Ingress;
use super::bound::LastError;
use super::outcome::Outcome;
use super::source::Exposure;

/// One source, as it is now. Counts are since the process started, whatever was reloaded since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Its name.
    pub name: Box<str>,
    /// Its path, as configured.
    pub path: String,
    /// Its verifier's name.
    pub verifier: String,
    /// Who may reach it.
    pub exposure: Exposure,
    /// How often each outcome came.
    pub outcomes: Vec<(Outcome, u64)>,
    /// Events published.
    pub events: u64,
    /// Its newest refusal.
    pub last_error: Option<LastError>,
}

impl Ingress {
    /// At most `limit` sources, in the order of the configuration, after the one of the name `after`. None when there is
    /// no source of that name, as after a reload.
    #[must_use]
    pub fn overview(&self, after: Option<&str>, limit: usize) -> Option<Vec<Overview>> {
        let table = {
            let settings = self.parts.settings.load();
            std::sync::Arc::clone(&self.bindings.table(&settings.sources))
        };
        let all = table.all();
        let begin = match after {
            None => 0,
            Some(after) => 1 + all.iter().position(|bound| *bound.source.name == *after)?,
        };
        let row = |bound: &std::sync::Arc<super::bound::Bound>| Overview {
            name: (*bound.source.name).into(),
            path: bound.source.path.to_string(),
            verifier: bound.source.scheme.name().to_owned(),
            exposure: bound.source.exposure,
            outcomes: bound.state.metrics.counts().into(),
            events: bound.state.metrics.events.get(),
            last_error: bound.state.last_error(),
        };
        Some(all[begin..].iter().take(limit).map(row).collect())
    }
}
