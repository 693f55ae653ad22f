//! A step of one's own: takes fields out of events' data before it is published.

use serde_json::{Map, Value};
use sidestream::event::Event;
use sidestream::ingress::{Context, Denied, Step};

/// The names of the fields.
pub(crate) struct Redact(Vec<String>);

impl Redact {
    /// `steps: [ { redact: { fields: [ … ] } } ]`.
    pub(crate) fn new(settings: &Value) -> Result<Self, String> {
        let fields = settings["fields"].as_array().filter(|list| !list.is_empty());
        let names = fields.into_iter().flatten().map(|name| name.as_str().map(str::to_owned));
        let names = names.collect::<Option<Vec<_>>>().filter(|names| !names.is_empty());
        names.map(Self).ok_or_else(|| "expected { fields: [ name ] }".to_owned())
    }
}

impl Step for Redact {
    fn apply(&self, _: &Context<'_>, mut events: Vec<Event>) -> Result<Vec<Event>, Denied> {
        for event in &mut events {
            // What can't be looked into may hold anything: in doubt nothing is published.
            let data = serde_json::from_slice::<Map<String, Value>>(&event.data);
            let mut data = data.map_err(|_| Denied("the data is no JSON object".into()))?;
            data.retain(|name, _| !self.0.contains(name));
            event.data = Value::Object(data).to_string().into();
        }
        Ok(events)
    }
}
