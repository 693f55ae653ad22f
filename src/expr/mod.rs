//! Expressions in CEL, as sources use them: compiled when the configuration is loaded, bounded in size and in work.
//!
//! A [`Template`] is text with `${…}` in it, a [`TopicTemplate`] and a [`TypeTemplate`] make names of it; a [`Predicate`]
//! keeps or leaves an event out, and [`Each`] splits a delivery. They are evaluated on a [`Scope`]: a verified request
//! whose body is parsed when the first expression looks into it. A [`Budget`] bounds what all expressions of one delivery
//! do together.
//!
//! ```
//! # use bytes::Bytes;
//! # use http::HeaderMap;
//! # use sidestream::event::Millis;
//! use sidestream::expr::{Body, Budget, Known, Predicate, Request, Scope, TopicTemplate};
//!
//! let topic = TopicTemplate::compile("topic", "github.${headers['x-github-event']}", Known::Request)?;
//! let filter = Predicate::compile("filter", "!has(body.sender) || body.sender.type != 'Bot'", Known::Request)?;
//!
//! let raw = Bytes::from_static(br#"{"sender":{"type":"User"}}"#);
//! let mut headers = HeaderMap::new();
//! headers.insert("x-github-event", "pull.request".parse()?);
//! let budget = Budget::new(raw.len());
//! let received = Millis(1_795_510_241_007);
//! let request = Request {
//!     raw: &raw, headers: &headers, query: "", path: "/webhooks/github", source: "github", method: "POST", received,
//! };
//! let scope = Scope::new(request, Body::Json(&raw), &budget);
//! assert!(filter.holds(&scope, None)?);
//! assert_eq!(topic.topic(&scope, None)?.as_str(), "github.pull~2Erequest");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The language
//! CEL with its operators and macros (`has all exists exists_one map filter`), on null, bool, int, uint, double, string,
//! timestamp, duration, list and map. JSON's whole numbers are ints, above `i64::MAX` uints, and all others doubles.
//! Functions: `size contains startsWith endsWith matches string int uint double bool timestamp duration type dyn`, the
//! `get…` of times in UTC, and four of ours: `tokens(x)` (in a topic), `lower(x)`, `json(x)`, `sha256(x)` (hex of a text's
//! digest). Not there: bytes, messages, optional values, time zones, and patterns that are not literals.
//!
//! # What is bounded, and why
//! | what | by | else |
//! |---|---|---|
//! | text, expressions in it, nesting, depth, nodes | `TEXT_BYTES` … `NODES`, at load | the parser and the evaluator recurse |
//! | compiled pattern | `PATTERN_BYTES` | memory, and work for each byte |
//! | work of a delivery: nodes, elements visited and compared, bytes looked at | `DELIVERY_WORK` | nested macros, `==` and `in` on large lists, patterns on large texts |
//! | text and lists made in a delivery | `MADE_BYTES`, `MADE_PER_BODY`, `MADE_ELEMENTS` | `+` that doubles, `map`, `json` |
//! | depth of values | `serde_json`'s 128, and the expression's own | comparing and writing recurse |
//! | elements of `each` | `DELIVERY_EVENTS` | a delivery is one record |

mod compile;
mod error;
mod eval;
mod json;
pub mod limits;
mod predicate;
mod program;
mod scope;
mod statics;
mod template;
mod time;
mod value;

#[cfg(test)]
mod tests;

pub use compile::Known;
pub use error::{Failure, LoadError, Problem, Why};
pub use predicate::{Each, Predicate};
pub use scope::{Body, Budget, Element, Request, Scope};
pub use template::{Template, TopicTemplate, TypeTemplate};
pub use value::Kind;
