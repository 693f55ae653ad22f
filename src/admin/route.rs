//! Which paths there are, and what each takes.

use http::Method;

/// What a path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Metrics,
    Health,
    Ready,
    Info,
    Reload,
    Revoke,
    Topics,
    /// A topic's history; the name as it stands in the path, not decoded.
    History(String),
    Connections,
    Sources,
    /// One stream, by its id as it stands in the path.
    Connection(String),
}

/// What a request does, so far as who may do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Route {
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/metrics" => Self::Metrics,
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/api/info" => Self::Info,
            "/api/reload" => Self::Reload,
            "/api/revoke" => Self::Revoke,
            "/api/topics" => Self::Topics,
            "/api/connections" => Self::Connections,
            "/api/sources" => Self::Sources,
            _ => {
                let segment = |text: &str| (!text.is_empty() && !text.contains('/')).then(|| text.to_owned());
                if let Some(rest) = path.strip_prefix("/api/topics/") {
                    Self::History(segment(rest.strip_suffix("/history")?)?)
                } else {
                    Self::Connection(segment(path.strip_prefix("/api/connections/")?)?)
                }
            }
        })
    }

    /// The methods it takes, as in `Allow`.
    pub(super) fn allows(&self) -> &'static str {
        match self {
            Self::Reload | Self::Revoke => "POST",
            Self::History(_) | Self::Connection(_) => "DELETE",
            _ => "GET, HEAD",
        }
    }

    /// What a request with this method does, if the path takes it.
    pub(super) fn access(&self, method: &Method) -> Option<Access> {
        let taken = self.allows().split(", ").any(|allowed| method.as_str() == allowed);
        taken.then(|| if method.is_safe() { Access::Read } else { Access::Write })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_by_table() {
        for (path, want) in [
            ("/api/topics", Some(Route::Topics)),
            ("/api/topics/orders.1/history", Some(Route::History("orders.1".into()))),
            ("/api/topics/a%2Fb/history", Some(Route::History("a%2Fb".into()))),
            ("/api/topics//history", None),
            ("/api/topics/a/b/history", None),
            ("/api/topics/a", None),
            ("/api/topics/", None),
            ("/api/connections", Some(Route::Connections)),
            ("/api/connections/0-1-2", Some(Route::Connection("0-1-2".into()))),
            ("/api/sources", Some(Route::Sources)),
            ("/api/sources/", None),
            ("/api/revoke", Some(Route::Revoke)),
            ("/api/revoke/anna", None),
            ("/api/connections/", None),
            ("/api/connections/0/1", None),
            ("/api", None),
            ("/", None),
        ] {
            assert_eq!(Route::of(path), want, "{path}");
        }
        let history = Route::History("a".into());
        assert_eq!(history.access(&Method::DELETE), Some(Access::Write));
        assert_eq!(history.access(&Method::GET), None);
        assert_eq!(Route::Revoke.access(&Method::POST), Some(Access::Write));
        assert_eq!(Route::Revoke.access(&Method::GET), None);
        assert_eq!(Route::Topics.access(&Method::HEAD), Some(Access::Read));
    }
}
