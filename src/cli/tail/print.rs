//! One line per event, on standard output.

use std::io;

use serde_json::json;

use crate::config::OneLine;
use crate::event::Topic;

use super::super::print_line;
use super::parse::Event;

/// How events are printed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Printer {
    /// Id, type and data.
    Plain,
    /// The topic first, since there are several.
    WithTopic,
    /// A JSON object.
    Json,
}

impl Printer {
    pub fn print(self, topic: &Topic, event: &Event) -> io::Result<()> {
        print_line(&self.line(topic, event))
    }

    fn line(self, topic: &Topic, event: &Event) -> String {
        let Event { id, kind, data } = event;
        let plain = || format!("{}  {}  {}", OneLine(id), OneLine(kind), OneLine(data));
        match self {
            Self::Plain => plain(),
            Self::WithTopic => format!("{topic}  {}", plain()),
            Self::Json => {
                json!({ "topic": topic.as_str(), "id": id, "type": kind, "data": data }).to_string()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_whatever_the_event_holds() {
        let topic = Topic::parse("orders").unwrap();
        let event = Event { id: "e-7".into(), kind: "message".into(), data: "a\nb\u{1b}[31m \"é\"".into() };
        assert_eq!(Printer::Plain.line(&topic, &event), "e-7  message  a\\nb\\u{1b}[31m \"é\"");
        assert_eq!(Printer::WithTopic.line(&topic, &event), "orders  e-7  message  a\\nb\\u{1b}[31m \"é\"");
        assert_eq!(
            Printer::Json.line(&topic, &event),
            r#"{"data":"a\nb\u001b[31m \"é\"","id":"e-7","topic":"orders","type":"message"}"#
        );
    }
}
