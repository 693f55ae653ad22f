//! The functions.

use sha2::{Digest, Sha256};

use super::super::error::{Failed, Why};
use super::super::json::{Sink, write};
use super::super::program::{Function, Node, Part};
use super::super::time::{Moment, Span};
use super::super::value::{Text, Value};
use super::{Evaluation, wrong};
use crate::octets::write_hex;

impl<'v> Evaluation<'v, '_, '_> {
    /// Calls a function. How many arguments it has was checked at load.
    pub(super) fn arguments(
        &mut self,
        node: &'v Node,
        function: Function,
        arguments: &'v [Node],
    ) -> Result<Value<'v>, Failed> {
        let result = match arguments {
            [one] => {
                let one = self.node(one)?;
                self.unary(function, one)
            }
            [one, two] => {
                let (one, two) = (self.node(one)?, self.node(two)?);
                self.searched(function, &one, &two)
            }
            _ => Err(Why::Kind { operation: "call", kinds: Box::default() }),
        };
        result.map_err(|why| Failed::new(node.at, why))
    }

    fn searched(&mut self, function: Function, text: &Value<'v>, part: &Value<'v>) -> Result<Value<'v>, Why> {
        let operation = match function {
            Function::StartsWith => "startsWith",
            Function::EndsWith => "endsWith",
            _ => "contains",
        };
        let (Value::Text(text), Value::Text(part)) = (text, part) else {
            return Err(wrong(operation, &[text, part]));
        };
        self.look(text.len() + part.len())?;
        Ok(Value::Bool(match function {
            Function::StartsWith => text.starts_with(&**part),
            Function::EndsWith => text.ends_with(&**part),
            // Two-way search: linear in both, whatever they are.
            _ => text.contains(&**part),
        }))
    }

    fn unary(&mut self, function: Function, value: Value<'v>) -> Result<Value<'v>, Why> {
        if let (true, Value::Text(text)) = (function.parses(), &value) {
            self.read(text.len())?;
        }
        match function {
            Function::Size => self.size(&value),
            Function::Text => match value {
                Value::Text(_) => Ok(value),
                other => match other.text() {
                    Some(text) => self.text(&text),
                    None => Err(wrong("string", &[&other])),
                },
            },
            Function::Int => int(&value),
            Function::Uint => uint(&value),
            Function::Double => double(&value),
            Function::Bool => bool(&value),
            Function::Moment => moment(&value),
            Function::Span => span(&value),
            Function::Kind => Ok(Value::Kind(value.kind())),
            Function::Dyn => Ok(value),
            Function::Lower => match &value {
                Value::Text(text) => {
                    // Lower case of a character takes at most thrice its bytes.
                    self.make(text.len())?;
                    let lower = text.to_lowercase();
                    self.make(lower.len().saturating_sub(text.len()))?;
                    Ok(Value::Text(Text::Made(lower.into())))
                }
                other => Err(wrong("lower", &[other])),
            },
            Function::Json => {
                let text = self.json(&value)?;
                Ok(Value::Text(Text::Made(text.into())))
            }
            Function::Sha256 => match &value {
                Value::Text(text) => {
                    self.read(text.len())?;
                    let mut hex = String::new();
                    write_hex(&Sha256::digest(text.as_bytes()), &mut hex);
                    self.text(&hex)
                }
                other => Err(wrong("sha256", &[other])),
            },
            Function::Part(of) => part(of, &value),
            Function::Contains | Function::StartsWith | Function::EndsWith => Err(wrong("call", &[&value])),
        }
    }

    fn text(&mut self, text: &str) -> Result<Value<'v>, Why> {
        self.make(text.len())?;
        Ok(Value::made(text))
    }

    /// A value as JSON text, paid for.
    pub(in super::super) fn json(&mut self, value: &Value<'_>) -> Result<String, Why> {
        let mut sink = Sink::new(self.room());
        let written = write(value, &mut sink);
        let text = sink.into_text()?;
        self.make(text.len())?;
        match written {
            Ok(()) => Ok(text),
            // What was refused for want of room must leave none, or the next event would try it again.
            Err(Why::Made) => Err(self.spent()),
            Err(other) => Err(other),
        }
    }

    fn size(&mut self, value: &Value<'v>) -> Result<Value<'v>, Why> {
        let size = match value {
            Value::Text(text) => {
                self.look(text.len())?;
                text.chars().count()
            }
            Value::List(list) => list.len(),
            Value::Map(map) => map.len(),
            other => return Err(wrong("size", &[other])),
        };
        i64::try_from(size).map(Value::Int).map_err(|_| Why::Range("size"))
    }
}

fn int<'v>(value: &Value<'v>) -> Result<Value<'v>, Why> {
    /// The doubles that fit, without the two ends that only look as if they did.
    const FITS: f64 = 9_223_372_036_854_775_807.0;
    let n = match value {
        Value::Int(n) => *n,
        Value::Uint(n) => i64::try_from(*n).map_err(|_| Why::Range("int"))?,
        Value::Double(n) if n.abs() < FITS => *n as i64,
        Value::Double(_) => return Err(Why::Range("int")),
        Value::Text(text) => text.parse().map_err(|_| Why::Unreadable("int"))?,
        Value::Moment(moment) => moment.seconds(),
        other => return Err(wrong("int", &[other])),
    };
    Ok(Value::Int(n))
}

fn uint<'v>(value: &Value<'v>) -> Result<Value<'v>, Why> {
    /// 2⁶⁴: the first that doesn't fit.
    const BEYOND: f64 = 18_446_744_073_709_551_616.0;
    let n = match value {
        Value::Uint(n) => *n,
        Value::Int(n) => u64::try_from(*n).map_err(|_| Why::Range("uint"))?,
        #[allow(clippy::cast_sign_loss, reason = "it is not negative, or rounds to 0")]
        Value::Double(n) if *n > -1.0 && *n < BEYOND => *n as u64,
        Value::Double(_) => return Err(Why::Range("uint")),
        Value::Text(text) => text.parse().map_err(|_| Why::Unreadable("uint"))?,
        other => return Err(wrong("uint", &[other])),
    };
    Ok(Value::Uint(n))
}

fn double<'v>(value: &Value<'v>) -> Result<Value<'v>, Why> {
    Ok(Value::Double(match value {
        Value::Double(n) => *n,
        Value::Int(n) => *n as f64,
        Value::Uint(n) => *n as f64,
        Value::Text(text) => text.parse().map_err(|_| Why::Unreadable("double"))?,
        other => return Err(wrong("double", &[other])),
    }))
}

fn bool<'v>(value: &Value<'v>) -> Result<Value<'v>, Why> {
    Ok(Value::Bool(match value {
        Value::Bool(b) => *b,
        Value::Text(text) => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => true,
            "false" | "False" | "FALSE" | "f" | "0" => false,
            _ => return Err(Why::Unreadable("bool")),
        },
        other => return Err(wrong("bool", &[other])),
    }))
}

fn moment<'v>(value: &Value<'v>) -> Result<Value<'v>, Why> {
    Ok(Value::Moment(match value {
        Value::Moment(moment) => *moment,
        Value::Int(seconds) => Moment::from_seconds(*seconds).ok_or(Why::Range("timestamp"))?,
        Value::Text(text) => Moment::parse(text).ok_or(Why::Unreadable("timestamp"))?,
        other => return Err(wrong("timestamp", &[other])),
    }))
}

fn span<'v>(value: &Value<'v>) -> Result<Value<'v>, Why> {
    Ok(Value::Span(match value {
        Value::Span(span) => *span,
        Value::Text(text) => Span::parse(text).ok_or(Why::Unreadable("duration"))?,
        other => return Err(wrong("duration", &[other])),
    }))
}

/// A part of a timestamp in UTC, or a duration in a unit.
fn part<'v>(of: Part, value: &Value<'v>) -> Result<Value<'v>, Why> {
    const SECOND: i64 = 1_000_000_000;
    let n = match (value, of) {
        (Value::Moment(moment), _) => {
            let parts = moment.parts();
            match of {
                Part::FullYear => parts.year,
                Part::Month => parts.month,
                Part::Date => parts.date + 1,
                Part::DayOfMonth => parts.date,
                Part::DayOfWeek => parts.day_of_week,
                Part::DayOfYear => parts.day_of_year,
                Part::Hours => parts.hours,
                Part::Minutes => parts.minutes,
                Part::Seconds => parts.seconds,
                Part::Milliseconds => parts.millis,
            }
        }
        (Value::Span(span), Part::Hours) => span.0 / (3600 * SECOND),
        (Value::Span(span), Part::Minutes) => span.0 / (60 * SECOND),
        (Value::Span(span), Part::Seconds) => span.0 / SECOND,
        (Value::Span(span), Part::Milliseconds) => span.0 % SECOND / 1_000_000,
        _ => return Err(wrong("get…()", &[value])),
    };
    Ok(Value::Int(n))
}
