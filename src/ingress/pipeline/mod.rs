//! From what a source was sent to what is published.
//!
//! The steps are types, so that none can be left out: [`Received`] → [`Verified`] → [`Product`]. Nothing of a request is
//! decoded, unpacked or parsed before it is verified, and only events can be appended. Nothing here waits for anything, so
//! a dry run takes the very same way.

mod identity;
mod item;
mod keep;
mod locate;
mod names;
mod read;
mod watch;

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use pingora::http::RequestHeader;

use self::item::On;
use self::keep::Keep;
use self::read::{Content, unpacked};
use super::outcome::Refusal;
use super::route::{Routed, path_of};
use super::source::{Binary, Context, Reading, Source, TopicRule};
use crate::content::Room;
use crate::content::handshake::{self, Reply};
use crate::event::limits::DELIVERY_EVENTS;
use crate::event::{Dedupe, DedupeKey, Delivery, Event, Millis};
use crate::expr::{self, Budget, Known, Scope, Template};
use crate::verify::{Handshake, Request};

use self::watch::shown;
pub(super) use self::watch::{Nobody, Watch};
pub use self::watch::{StepName, StepReport};

/// The data of an element of `each` where the source says nothing else: the element itself.
static ELEMENT: LazyLock<Template> =
    LazyLock::new(|| Template::compile("data", "${each}", Known::Element).expect("it names what is there"));

/// Compiles what is needed for a source that splits its deliveries: at load, not with its first one.
pub(super) fn prepare() {
    LazyLock::force(&ELEMENT);
}

/// A request that is for a source, whole, and of which nothing has been believed yet.
pub(super) struct Received<'a> {
    /// The request's head.
    pub(super) head: &'a RequestHeader,
    /// What the route found in it.
    pub(super) routed: Routed,
    /// The body's bytes as they came.
    pub(super) body: Bytes,
    /// When the head had arrived.
    pub(super) time: Millis,
}

/// A request that is from whom the source says it must be from. Only [`Received::verify`] makes one.
pub(super) struct Verified<'a>(Received<'a>);

/// What the ingress says where a source says nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    /// Bytes of a body.
    pub(super) max_body: usize,
    /// How long a delivery's key is remembered.
    pub(super) dedupe_window: Duration,
}

/// What a request comes to.
pub(super) enum Product {
    /// To be appended.
    Delivery(Delivery),
    /// Nothing of it is wanted.
    Filtered,
    /// It was a question, and this is its answer.
    Handshake(Reply),
}

impl<'a> Received<'a> {
    /// Believes the request or refuses it.
    pub(super) fn verify(self, source: &Source, watch: &mut impl Watch) -> Result<Verified<'a>, Refusal> {
        if source.scheme.is_none() {
            watch.saw(StepName::Verify, None, || Ok("not at all: the source verifies nothing".to_owned()));
            return Ok(Verified(self));
        }
        let verified = source.scheme.verify(&self.request()?).map_err(Refusal::Unverified);
        watch.saw(StepName::Verify, None, || match &verified {
            Ok(verified) => Ok(match verified.secret {
                Some(index) => format!("by {}, with secret {index}", source.scheme.name()),
                None => format!("by {}", source.scheme.name()),
            }),
            Err(refusal) => Err(refusal.to_string()),
        });
        verified.map(|_| Verified(self))
    }

    /// The request as verifiers see it.
    fn request(&self) -> Result<Request<'_>, Refusal> {
        Ok(Request {
            method: &self.head.method,
            target: std::str::from_utf8(self.head.raw_path()).map_err(|_| Refusal::Target)?,
            headers: &self.head.headers,
            body: &self.body,
            received: self.time,
        })
    }

    /// What stands in the topic's place of the path, still encoded; nothing where there is no such place.
    fn place(&self) -> &[u8] {
        self.routed.topic.map_or(&[], |(begin, end)| &path_of(self.head)[begin..end])
    }
}

impl Verified<'_> {
    /// What the request is to publish, if anything. What is held of it besides its body as it came has its `room`.
    pub(super) fn produce(
        self,
        source: &Source,
        defaults: Defaults,
        room: &Room<'_>,
        watch: &mut impl Watch,
    ) -> Result<Product, Refusal> {
        let received = self.0;
        if source.reading == Reading::AsItCame {
            return plain(source, received, defaults, watch).map(Product::Delivery);
        }
        let headers = &received.head.headers;
        let body = unpacked(source, headers, received.body.clone(), defaults.max_body, room);
        let body =
            body.inspect_err(|refusal| watch.saw(StepName::Read, None, || Err(refusal.to_string())))?;
        if let Some(reply) = greeting(source, &received, &body)? {
            watch.saw(StepName::Handshake, None, || Ok(format!("answered with {}", reply.status)));
            return Ok(Product::Handshake(reply));
        }
        let mut events = Vec::new();
        let keep = Keep::new(room, received.body.clone(), body.clone());
        let compared = map(source, &received, body, &keep, &mut events, watch)?;
        // Of what came, and not of what the program's own steps make of it: another version of a step knows a retry too.
        let key = match (&source.mapping.topic, events.as_slice(), compared.as_slice()) {
            // As contract 3 has it, for as long as it is one event.
            (TopicRule::Path, [event], [Some(id)]) if source.dedupe.is_by_id() => {
                Some(names::key(&source.name, &event.topic, id))
            }
            _ => identity::key(source, received.place(), &compared, &received.request()?)?,
        };
        let events = own_steps(source, &received, events, &keep, watch)?;
        if events.is_empty() {
            return Ok(Product::Filtered);
        }
        watch.saw(StepName::Dedupe, None, || Ok(key_shown(key)));
        let window = source.dedupe.window.unwrap_or(defaults.dedupe_window);
        Ok(Product::Delivery(Delivery {
            events,
            dedupe: key.map(|key| Dedupe { key, window, source: source.name.clone() }),
        }))
    }
}

/// The one event of contract 3: its names are in the path and in the headers of ours, its data is the body.
fn plain(
    source: &Source,
    received: Received<'_>,
    defaults: Defaults,
    watch: &mut impl Watch,
) -> Result<Delivery, Refusal> {
    let topic = names::path_topic(received.place())?;
    let headers = &received.head.headers;
    let kind = names::kind_header(headers)?;
    let key = names::id_header(headers)?.map(|id| names::key(&source.name, &topic, id));
    let data = received.body;
    if std::str::from_utf8(&data).is_err() {
        return Err(Refusal::BodyNotUtf8);
    }
    watch.saw(StepName::Topic, Some(0), || Ok(topic.to_string()));
    watch.saw(StepName::Type, Some(0), || Ok(kind.as_ref().map_or("none".to_owned(), ToString::to_string)));
    watch.saw(StepName::Data, Some(0), || Ok(shown(&data)));
    watch.saw(StepName::Dedupe, None, || Ok(key_shown(key)));
    let event = Event { topic, kind, time: received.time, data };
    let window = source.dedupe.window.unwrap_or(defaults.dedupe_window);
    Ok(Delivery {
        events: vec![event],
        dedupe: key.map(|key| Dedupe { key, window, source: source.name.clone() }),
    })
}

fn key_shown(key: Option<DedupeKey>) -> String {
    key.map_or("no key".to_owned(), |key| format!("key {:032x}", u128::from_be_bytes(key.0)))
}

/// The answer to a question that the scheme's senders post, verified like everything else.
fn greeting(source: &Source, received: &Received<'_>, body: &[u8]) -> Result<Option<Reply>, Refusal> {
    let greeting = match source.scheme.facts().handshake {
        Some(Handshake::Slack) => Some(handshake::Greeting::Slack),
        Some(Handshake::Discord) => Some(handshake::Greeting::Discord),
        Some(Handshake::Meta | Handshake::WebSub) | None => None,
    };
    let headers = &received.head.headers;
    let query = received.head.uri.query().unwrap_or_default();
    handshake::post(greeting, headers, query, body, &source.handshake).map_err(Refusal::Handshake)
}

/// Makes the events. Answers what is compared of each thing that the request brought.
fn map(
    source: &Source,
    received: &Received<'_>,
    body: Bytes,
    keep: &Keep<'_>,
    events: &mut Vec<Event>,
    watch: &mut impl Watch,
) -> Result<Vec<Option<Vec<u8>>>, Refusal> {
    let topic = match source.mapping.topic {
        TopicRule::Path => Some(names::path_topic(received.place())?),
        _ => None,
    };
    // Before anything looks into it: to expressions it would be no JSON, which is another answer.
    if source.mapping.binary == Binary::Refused && std::str::from_utf8(&body).is_err() {
        watch.saw(StepName::Read, None, || Err(Refusal::BodyNotUtf8.to_string()));
        return Err(Refusal::BodyNotUtf8);
    }
    let head = &received.head;
    let budget = Budget::new(body.len());
    let content = Content::read(source, &head.headers, body)
        .inspect_err(|refusal| watch.saw(StepName::Read, None, || Err(refusal.to_string())))?;
    let several = content.items.len() > 1 || source.mapping.each.is_some();
    watch.saw(StepName::Read, None, || Ok(format!("{}: {}", content.kind, content.items.len())));
    let mut compared = Vec::with_capacity(content.items.len());
    let query = source.seen_query(head.uri.query().unwrap_or_default());
    // Copied once at most, however many items are shown in it.
    let mut headers = Cow::Borrowed(&head.headers);
    for item in &content.items {
        item.show(source.headers(), &mut headers);
        let request = expr::Request {
            raw: &item.raw,
            headers: &headers,
            query: &query,
            path: head.uri.path(),
            source: &source.name,
            method: head.method.as_str(),
            received: received.time,
        };
        let scope = Scope::new(request, item.body(), &budget).hiding(&source.hidden);
        let (scope, topic, headers) = (&scope, topic.as_ref(), &*headers);
        let on = On { source, item, headers, scope, topic, several, keep, time: received.time };
        if let Some(part) = one(&on, events, watch)? {
            compared.push(part);
        }
    }
    Ok(compared)
}

/// One thing that the request brought: its events, and what is compared of it. None where it is left out.
#[expect(clippy::option_option, reason = "left out, or with nothing to compare")]
fn one(
    on: &On<'_>,
    events: &mut Vec<Event>,
    watch: &mut impl Watch,
) -> Result<Option<Option<Vec<u8>>>, Refusal> {
    let id = identity::id(on);
    watch.saw(StepName::Id, None, || match &id {
        Ok(id) => Ok(id.as_ref().map_or("none".to_owned(), |id| shown(id))),
        Err(refusal) => Err(refusal.to_string()),
    });
    let compared = id.and_then(|id| Ok((identity::compared(on, id.as_deref())?, id)));
    match on.tolerate(compared.map(Some), None)?.flatten() {
        Some((part, id)) => {
            on.events(id.as_deref(), events, watch)?;
            Ok(Some(part))
        }
        None => Ok(None),
    }
}

/// The program's own steps. What they give is checked as what they were given.
fn own_steps(
    source: &Source,
    received: &Received<'_>,
    mut events: Vec<Event>,
    keep: &Keep<'_>,
    watch: &mut impl Watch,
) -> Result<Vec<Event>, Refusal> {
    if source.steps.is_empty() || events.is_empty() {
        return Ok(events);
    }
    let request = received.request()?;
    let context = Context { source: &source.name, request: &request };
    for named in &source.steps {
        let applied = named.step.apply(&context, events);
        let applied = applied.map_err(|denied| Refusal::Denied { step: named.name.clone(), denied });
        watch.saw(StepName::Own, None, || match &applied {
            Ok(events) => Ok(format!("{}: {} events", named.name, events.len())),
            Err(refusal) => Err(refusal.to_string()),
        });
        events = applied?;
    }
    if events.len() > DELIVERY_EVENTS {
        return Err(Refusal::TooManyEvents);
    }
    let is_text = |event: &Event| std::str::from_utf8(&event.data).is_ok();
    if !events.iter().all(is_text) {
        return Err(Refusal::BodyNotUtf8);
    }
    keep.settle(&mut events)?;
    Ok(events)
}
