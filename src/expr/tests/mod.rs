//! What expressions give, what is refused at load, and what is bounded.

mod language;
mod limits;
mod load;
mod oracle;
mod render;
mod topics;
mod variables;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use crate::event::Millis;

use super::*;

/// A request to evaluate on.
pub(super) struct Given {
    pub raw: Bytes,
    pub headers: HeaderMap,
    pub query: &'static str,
    pub fields: Option<Vec<(String, String)>>,
    pub budget: Budget,
}

impl Given {
    pub fn json(text: impl Into<String>) -> Self {
        let raw = Bytes::from(text.into());
        let budget = Budget::new(raw.len());
        Self { raw, headers: HeaderMap::new(), query: "", fields: None, budget }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(HeaderName::from_static(name), value.parse().unwrap());
        self
    }

    pub fn scope(&self) -> Scope<'_> {
        let request = Request {
            raw: &self.raw,
            headers: &self.headers,
            query: self.query,
            path: "/webhooks/github",
            source: "github",
            method: "POST",
            received: Millis(1_795_510_241_007),
        };
        let body = match &self.fields {
            Some(fields) => Body::Fields(fields),
            None if self.raw.is_empty() => Body::None,
            None => Body::Json(&self.raw),
        };
        Scope::new(request, body, &self.budget)
    }

    /// What an expression gives, as JSON, or why it fails.
    pub fn eval(&self, expression: &str) -> Result<String, Why> {
        let text = format!("${{json({expression})}}");
        let template =
            Template::compile("test", &text, Known::Request).unwrap_or_else(|e| panic!("{expression}: {e}"));
        let data = template.data(&self.scope(), None).map_err(|failure| failure.why)?;
        Ok(String::from_utf8(data.to_vec()).unwrap())
    }
}

/// What an expression gives without a request, as JSON.
pub(super) fn eval(expression: &str) -> Result<String, Why> {
    Given::json("{}").eval(expression)
}

/// Why an expression is refused, and where.
pub(super) fn refused(expression: &str) -> (usize, Problem) {
    match Predicate::compile("test", expression, Known::Request) {
        Ok(_) => panic!("{expression} is taken"),
        Err(e) => (e.at, e.problem),
    }
}
