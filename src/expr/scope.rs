//! What expressions see of a delivery, each part made when one asks for it, and at most once.
//!
//! Nothing is set up per delivery but a few references: no table of variables, no table of functions. Variables are
//! numbered when an expression is loaded, header fields are looked up in the request's own table, and the body is parsed
//! when the first expression looks into it.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::event::Millis;
use crate::octets::{Plus, lenient, pairs};

use super::error::Why;
use super::json::{Json, Object, read, read_composite};
use super::limits::{DELIVERY_WORK, MADE_BYTES, MADE_PER_BODY};
use super::value::Value;

/// The field of a form that GitHub and Slack put the JSON into.
const PAYLOAD: &str = "payload";

/// The parts of a verified request that expressions may see. Not its body's content: that is [`Body`].
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The body's bytes, unpacked: the variable `raw`, as text.
    pub raw: &'a Bytes,
    /// Header fields: `headers`, a map from lower-case names to text; several of one name are joined with `, `. A look-up
    /// takes any case, as names of fields have none (RFC 9110 §5.1).
    pub headers: &'a HeaderMap,
    /// The query as it came, without `?`: `query`, a map of decoded pairs. Of equal names the last counts, as in JSON.
    pub query: &'a str,
    /// `path`: the path, as it came.
    pub path: &'a str,
    /// `source`: the source's name.
    pub source: &'a str,
    /// `method`: the request's method.
    pub method: &'a str,
    /// `received`: when its head had arrived, a timestamp.
    pub received: Millis,
}

/// What the variable `body` is made of.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// A JSON text. Not parsed unless an expression looks into it.
    Json(&'a [u8]),
    /// The decoded fields of a form: a map of texts, of equal names the last counts. Where its one field is `payload` and
    /// holds a JSON map or list, `body` is that, as GitHub and Slack send it.
    Fields(&'a [(String, String)]),
    /// Nothing that can be looked into: to name `body` is a failure.
    None,
}

/// What the expressions of one delivery may still do, all of them together, however many scopes it has.
#[derive(Debug)]
pub struct Budget {
    work: AtomicU64,
    made: AtomicU64,
}

impl Budget {
    /// What a delivery with a body of so many bytes may do: [`DELIVERY_WORK`] steps, and make [`MADE_BYTES`] and
    /// [`MADE_PER_BODY`] times its body.
    #[must_use]
    pub fn new(body: usize) -> Self {
        let made = MADE_BYTES.saturating_add(MADE_PER_BODY.saturating_mul(body as u64));
        Self { work: AtomicU64::new(DELIVERY_WORK), made: AtomicU64::new(made) }
    }

    /// Steps that were done.
    #[must_use]
    pub fn used(&self) -> u64 {
        DELIVERY_WORK - self.work.load(Ordering::Relaxed)
    }

    pub(super) fn left(&self) -> Left {
        Left { work: self.work.load(Ordering::Relaxed), made: self.made.load(Ordering::Relaxed) }
    }

    pub(super) fn put_back(&self, left: Left) {
        self.work.store(left.work, Ordering::Relaxed);
        self.made.store(left.made, Ordering::Relaxed);
    }

    /// With less than a delivery has, to test what happens at its end.
    #[cfg(test)]
    pub(super) fn with(work: u64, made: u64) -> Self {
        Self { work: AtomicU64::new(work), made: AtomicU64::new(made) }
    }
}

/// A budget while one expression draws on it.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub work: u64,
    pub made: u64,
}

/// What expressions are evaluated against: one request, or one line of it where lines are events.
pub struct Scope<'a> {
    request: Request<'a>,
    body: Body<'a>,
    budget: &'a Budget,
    hidden: &'a [HeaderName],
    tree: OnceLock<Result<Json<'a>, Why>>,
    query: OnceLock<Object<'a>>,
}

impl<'a> Scope<'a> {
    /// Costs nothing: everything is made when it is asked for.
    #[must_use]
    pub fn new(request: Request<'a>, body: Body<'a>, budget: &'a Budget) -> Self {
        Self { request, body, budget, hidden: &[], tree: OnceLock::new(), query: OnceLock::new() }
    }

    /// The same, in which `headers` has none of these names.
    #[must_use]
    pub fn hiding(self, hidden: &'a [HeaderName]) -> Self {
        Self { hidden, ..self }
    }

    pub(super) fn fields(&self) -> Fields<'a> {
        Fields { all: self.request.headers, hidden: self.hidden }
    }

    pub(super) fn budget(&self) -> &'a Budget {
        self.budget
    }

    pub(super) fn request(&self) -> &Request<'a> {
        &self.request
    }

    /// The body, parsed by the first who asks. A body that can't be parsed is not tried again.
    pub(super) fn body(&self) -> Result<&Json<'a>, Why> {
        self.tree.get_or_init(|| tree(self.body)).as_ref().map_err(Why::clone)
    }

    pub(super) fn raw(&self) -> Result<&'a str, Why> {
        std::str::from_utf8(self.request.raw).map_err(|_| Why::NotUtf8("raw"))
    }

    pub(super) fn query(&self) -> &Object<'a> {
        self.query.get_or_init(|| query(self.request.query))
    }

    /// Whether the body has been parsed.
    #[cfg(test)]
    pub(super) fn is_parsed(&self) -> bool {
        self.tree.get().is_some()
    }
}

fn tree(body: Body<'_>) -> Result<Json<'_>, Why> {
    match body {
        Body::Json(text) => read(text),
        Body::None => Err(Why::NoBody),
        Body::Fields(fields) => {
            if let [(name, value)] = fields
                && name == PAYLOAD
                && let Some(json) = read_composite(value)
            {
                return Ok(json);
            }
            let entries = fields.iter().map(|(name, value)| (Cow::from(name), Json::Seen(value)));
            Ok(Json::Map(Box::new(Object::new(entries.collect()))))
        }
    }
}

/// Pairs as forms write them. What is not UTF-8 in it is replaced, as browsers do.
fn query(query: &str) -> Object<'_> {
    let pairs = pairs(query.as_bytes()).map(|(name, value)| {
        let value = match decoded(value) {
            Cow::Borrowed(value) => Json::Seen(value),
            Cow::Owned(value) => Json::Made(value.into()),
        };
        (decoded(name), value)
    });
    Object::new(pairs.collect())
}

fn decoded(text: &[u8]) -> Cow<'_, str> {
    match lenient(text, Plus::Space) {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Header fields as expressions see them.
#[derive(Clone, Copy)]
pub(super) struct Fields<'v> {
    all: &'v HeaderMap,
    hidden: &'v [HeaderName],
}

impl<'v> Fields<'v> {
    pub(super) fn len(self) -> usize {
        // A map of header fields has some dozens of names.
        self.names().count()
    }

    pub(super) fn names(self) -> impl Iterator<Item = &'v HeaderName> {
        self.all.keys().filter(move |name| !self.hidden.contains(name))
    }

    /// The values of a name, in whichever case.
    pub(super) fn values(self, name: &str) -> impl Iterator<Item = &'v HeaderValue> {
        let hidden = self.hidden.iter().any(|hidden| hidden.as_str().eq_ignore_ascii_case(name));
        (!hidden).then(|| self.all.get_all(name).iter()).into_iter().flatten()
    }

    /// Bytes of what [`header`] gives, and whether they have to be put together.
    pub(super) fn bytes(self, name: &str) -> (usize, bool) {
        let lengths = self.values(name).map(|value| value.len() + 2);
        let (bytes, count) = lengths.fold((0, 0), |(bytes, count), length| (bytes + length, count + 1));
        (bytes, count > 1)
    }
}

/// The fields of one name, joined as RFC 9110 §5.3 joins them. None if there is none.
pub(super) fn header<'v>(headers: Fields<'v>, name: &str) -> Option<Result<Value<'v>, Why>> {
    let mut values = headers.values(name);
    let first = values.next()?;
    let text = |bytes: &'v [u8]| std::str::from_utf8(bytes).map_err(|_| Why::NotUtf8("the header field"));
    let joined = || {
        let first = text(first.as_bytes())?;
        let Some(second) = values.next() else { return Ok(Value::seen(first)) };
        let mut all = first.to_owned();
        for value in std::iter::once(second).chain(values) {
            all.push_str(", ");
            all.push_str(text(value.as_bytes())?);
        }
        Ok(Value::made(&all))
    };
    Some(joined())
}

/// One element of `each`, which expressions on elements see as `each` and `index`.
pub struct Element<'v> {
    pub(super) value: Value<'v>,
    pub(super) index: i64,
}
