//! From one thing that a request brought to the events that it becomes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;

use super::identity::at;
use super::keep::Keep;
use super::names;
use super::read::Item;
use super::watch::{StepName, Watch, shown};
use crate::content::cloudevents::{CloudEvent, Parts};
use crate::event::limits::DELIVERY_EVENTS;
use crate::event::{DEFAULT_TYPE, Event, EventType, Millis, Topic};
use crate::expr::{Element, Failure, Scope};
use crate::ingress::outcome::Refusal;
use crate::ingress::source::{Binary, DataRule, Headers, OnError, Source, TopicRule};
use crate::sse::time::rfc3339;

/// What the steps on one item look at.
pub(super) struct On<'a> {
    pub(super) source: &'a Source,
    pub(super) item: &'a Item,
    /// With the attributes of a `CloudEvent` among them.
    pub(super) headers: &'a HeaderMap,
    pub(super) scope: &'a Scope<'a>,
    /// The topic in the path, where it stands there.
    pub(super) topic: Option<&'a Topic>,
    /// Whether the delivery may become more than one event.
    pub(super) several: bool,
    pub(super) keep: &'a Keep<'a>,
    pub(super) time: Millis,
}

/// What becomes of an event.
enum Fate {
    Kept(Event),
    Dropped,
}

impl On<'_> {
    /// Adds the events of this item.
    pub(super) fn events(
        &self,
        id: Option<&[u8]>,
        events: &mut Vec<Event>,
        watch: &mut impl Watch,
    ) -> Result<(), Refusal> {
        let mapping = &self.source.mapping;
        let Some(each) = &mapping.each else { return self.one(None, id, events, watch) };
        match each.split(self.scope) {
            Ok(elements) => {
                for element in &elements {
                    self.one(Some(element), id, events, watch)?;
                }
                Ok(())
            }
            Err(failure) => {
                watch.saw(StepName::Read, None, || Err(failure.to_string()));
                match mapping.on_error {
                    OnError::Drop => Ok(()),
                    // Without elements, expressions on them have nothing to stand on.
                    OnError::Reject | OnError::Pass => Err(Refusal::Unmapped(failure)),
                }
            }
        }
    }

    fn one<'v>(
        &'v self,
        element: Option<&Element<'v>>,
        id: Option<&[u8]>,
        events: &mut Vec<Event>,
        watch: &mut impl Watch,
    ) -> Result<(), Refusal> {
        let number = events.len();
        match self.event(element, id, number, watch)? {
            Fate::Dropped => Ok(()),
            Fate::Kept(_) if number >= DELIVERY_EVENTS => Err(Refusal::TooManyEvents),
            Fate::Kept(event) => {
                events.push(event);
                Ok(())
            }
        }
    }

    /// Type and topic, filter, data. What can't be named is told of only where it is wanted: one that is filtered out needs no
    /// name.
    fn event<'v>(
        &'v self,
        element: Option<&Element<'v>>,
        id: Option<&[u8]>,
        number: usize,
        watch: &mut impl Watch,
    ) -> Result<Fate, Refusal> {
        let at = Some(number);
        let kind = self.kind(element);
        let named = |kind: &Option<EventType>| kind.as_ref().map_or("none".to_owned(), ToString::to_string);
        watch.saw(StepName::Type, at, || said(kind.as_ref().map(named)));
        let topic = self.topic(element);
        watch.saw(StepName::Topic, at, || said(topic.as_ref().map(ToString::to_string)));
        if !self.is_wanted(element, at, watch)? {
            return Ok(Fate::Dropped);
        }
        let Some(kind) = self.tolerate(kind, None)? else { return Ok(Fate::Dropped) };
        let topic = match topic {
            Ok(topic) => topic,
            Err(Refusal::Unmapped(_)) if self.source.mapping.on_error == OnError::Drop => {
                return Ok(Fate::Dropped);
            }
            Err(refusal) => return Err(refusal),
        };
        let data = self.data(element, id, number, &topic, kind.as_ref());
        watch.saw(StepName::Data, at, || said(data.as_ref().map(|data| shown(data))));
        let Some(data) = self.tolerate(data, self.item.raw.clone())? else { return Ok(Fate::Dropped) };
        let data = self.keep.alone(self.text(data)?)?;
        Ok(Fate::Kept(Event { topic, kind, time: self.time, data }))
    }

    /// What the source says to a failed expression: the instead, nothing, or a refusal.
    pub(super) fn tolerate<T>(&self, value: Result<T, Refusal>, instead: T) -> Result<Option<T>, Refusal> {
        match (value, self.source.mapping.on_error) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(Refusal::Unmapped(_)), OnError::Pass) => Ok(Some(instead)),
            (Err(Refusal::Unmapped(_)), OnError::Drop) => Ok(None),
            (Err(refusal), _) => Err(refusal),
        }
    }

    fn is_wanted<'v>(
        &'v self,
        element: Option<&Element<'v>>,
        at: Option<usize>,
        watch: &mut impl Watch,
    ) -> Result<bool, Refusal> {
        let Some(filter) = &self.source.mapping.filter else { return Ok(true) };
        let holds = filter.holds(self.scope, element).map_err(Refusal::Unmapped);
        watch.saw(StepName::Filter, at, || {
            said(holds.as_ref().map(|holds| if *holds { "kept" } else { "left out" }.to_owned()))
        });
        self.tolerate(holds, true).map(Option::unwrap_or_default)
    }

    fn topic<'v>(&'v self, element: Option<&Element<'v>>) -> Result<Topic, Refusal> {
        match (&self.source.mapping.topic, self.topic) {
            (TopicRule::Fixed(topic), _) | (TopicRule::Path, Some(topic)) => Ok(topic.clone()),
            (TopicRule::Path, None) => Err(Refusal::NoRoute),
            (TopicRule::Template(template), _) => {
                template.topic(self.scope, element).map_err(Refusal::Unmapped)
            }
        }
    }

    /// The type: what the source names, else what the request or the scheme knows, else none.
    fn kind<'v>(&'v self, element: Option<&Element<'v>>) -> Result<Option<EventType>, Refusal> {
        if let Some(template) = &self.source.mapping.kind {
            return template.event_type(self.scope, element).map(Some).map_err(Refusal::Unmapped);
        }
        if let Some(cloud) = &self.item.cloud {
            return EventType::parse(cloud.event.kind()).map(Some).map_err(Refusal::Kind);
        }
        if let Some(place) = &self.source.scheme.facts().kind
            && let Some(found) = at(place, self.headers, self.item)
        {
            return EventType::parse(&found).map(Some).map_err(Refusal::Kind);
        }
        match self.source.headers() {
            Headers::AsTheBody => names::kind_header(self.headers),
            Headers::Unsigned => Ok(None),
        }
    }

    fn data<'v>(
        &'v self,
        element: Option<&Element<'v>>,
        id: Option<&[u8]>,
        number: usize,
        topic: &Topic,
        kind: Option<&EventType>,
    ) -> Result<Bytes, Refusal> {
        let mapped = |data: Result<Bytes, Failure>| data.map_err(Refusal::Unmapped);
        match (&self.source.mapping.data, element) {
            (DataRule::Template(template), _) => mapped(template.data(self.scope, element)),
            (DataRule::AsItCame, None) => Ok(self.item.raw.clone()),
            (DataRule::AsItCame, Some(_)) => mapped(super::ELEMENT.data(self.scope, element)),
            (DataRule::CloudEvent, None) if let Some(cloud) = &self.item.cloud => Ok(cloud.event.envelope()),
            (DataRule::CloudEvent, _) => {
                let (data, media) = match element {
                    Some(_) => (mapped(super::ELEMENT.data(self.scope, element))?, Some("application/json")),
                    None => (self.item.raw.clone(), self.media()),
                };
                self.envelope(data, media, id, number, topic, kind)
            }
        }
    }

    fn media(&self) -> Option<&str> {
        self.item.media_type(self.headers)
    }

    /// A `CloudEvent` of what came as something else. Its source is where it came in; of several events of a delivery each
    /// has its number behind the id; one without an id gets one by chance, as it must have one.
    fn envelope(
        &self,
        data: Bytes,
        media: Option<&str>,
        id: Option<&[u8]>,
        number: usize,
        topic: &Topic,
        kind: Option<&EventType>,
    ) -> Result<Bytes, Refusal> {
        let id: Cow<'_, str> = match (id, self.several) {
            (Some(id), false) => String::from_utf8_lossy(id),
            (Some(id), true) => format!("{}.{number}", String::from_utf8_lossy(id)).into(),
            (None, _) => format!("{:032x}", fastrand::u128(..)).into(),
        };
        let parts = Parts {
            id: &id,
            source: &format!("/sources/{}", self.source.name),
            kind: kind.map_or(DEFAULT_TYPE, EventType::as_str),
            subject: Some(topic.as_str()),
            time: Some(&rfc3339(self.time)),
            datacontenttype: media,
            data,
        };
        CloudEvent::new(parts).map(|event| event.envelope()).map_err(Refusal::Cloud)
    }

    /// Data that an event can carry.
    fn text(&self, data: Bytes) -> Result<Bytes, Refusal> {
        match (std::str::from_utf8(&data), self.source.mapping.binary) {
            (Ok(_), _) => Ok(data),
            (Err(_), Binary::Base64) => Ok(STANDARD.encode(&data).into()),
            (Err(_), Binary::Refused) => Err(Refusal::BodyNotUtf8),
        }
    }
}

fn said(result: Result<String, &Refusal>) -> Result<String, String> {
    result.map_err(ToString::to_string)
}
