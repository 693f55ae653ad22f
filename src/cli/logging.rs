//! The log on standard error: for people on a terminal, JSON otherwise.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// The environment variable that sets the levels.
const VARIABLE: &str = "SIDESTREAM_LOG";

/// What is logged when nothing is said.
const DEFAULT: &str = "info";

/// Pingora tells of every broken connection; only what it warns of is of use to an operator.
const QUIET: &str = "pingora=warn";

/// Starts logging; what uses the `log` crate, such as pingora, is logged too. Once per process.
pub(super) fn start() {
    let levels = std::env::var(VARIABLE).ok().filter(|levels| !levels.trim().is_empty());
    let (filter, refused) = filter(levels.as_deref());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = if stderr().is_terminal() {
        let color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        builder.with_ansi(color).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    if started.is_ok()
        && let Some(why) = refused
    {
        tracing::warn!("{VARIABLE} is not understood ({why}); {DEFAULT} is used");
    }
}

/// The filter for the levels asked for, and why they were refused, if they were.
fn filter(levels: Option<&str>) -> (EnvFilter, Option<String>) {
    let levels = levels.unwrap_or(DEFAULT);
    let directives = if levels.contains("pingora") { levels.to_owned() } else { format!("{levels},{QUIET}") };
    match EnvFilter::try_new(directives) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(format!("{DEFAULT},{QUIET}")), Some(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_as_asked_for_and_pingora_quiet_unless_named() {
        let shown = |levels| filter(levels).0.to_string();
        assert_eq!(shown(None), "pingora=warn,info");
        assert_eq!(shown(Some("debug")), "pingora=warn,debug");
        assert_eq!(shown(Some("info,pingora=debug")), "pingora=debug,info");
        let (filter, refused) = filter(Some("a=b=c"));
        assert_eq!(filter.to_string(), "pingora=warn,info");
        assert!(refused.is_some());
    }
}
