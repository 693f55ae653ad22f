//! Arithmetic. No kind is made another, and nothing wraps round: what leaves its kind is a failure, as CEL has it.

use super::super::error::Why;
use super::super::program::Binary;
use super::super::time::Span;
use super::super::value::{List, Text, Value};
use super::{Evaluation, wrong};

impl<'v> Evaluation<'v, '_, '_> {
    /// `left + right`: numbers, texts, lists, and times.
    pub(super) fn add(&mut self, left: &Value<'v>, right: &Value<'v>) -> Result<Value<'v>, Why> {
        Ok(match (left, right) {
            (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_add(*b).ok_or(Why::Range("+"))?),
            (Value::Uint(a), Value::Uint(b)) => Value::Uint(a.checked_add(*b).ok_or(Why::Range("+"))?),
            (Value::Double(a), Value::Double(b)) => Value::Double(a + b),
            (Value::Text(a), Value::Text(b)) => {
                self.make(a.len() + b.len())?;
                Value::Text(Text::joined([a, b]))
            }
            (Value::List(a), Value::List(b)) => {
                self.make_list(a.len() + b.len())?;
                let elements =
                    [a, b].into_iter().flat_map(|list| (0..list.len()).filter_map(|at| list.get(at)));
                Value::List(List::Made(elements.collect()))
            }
            (Value::Span(a), Value::Span(b)) => {
                Value::Span(Span(a.0.checked_add(b.0).ok_or(Why::Range("+"))?))
            }
            (Value::Moment(moment), Value::Span(span)) | (Value::Span(span), Value::Moment(moment)) => {
                Value::Moment(moment.plus(*span).ok_or(Why::Range("+"))?)
            }
            _ => return Err(wrong("+", &[left, right])),
        })
    }
}

/// `-`, `*`, `/` and `%`.
pub(super) fn calculate<'v>(binary: Binary, left: &Value<'v>, right: &Value<'v>) -> Result<Value<'v>, Why> {
    let range = || Why::Range(binary.sign());
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => {
            let result = match binary {
                Binary::Subtract => a.checked_sub(*b),
                Binary::Multiply => a.checked_mul(*b),
                _ if *b == 0 => return Err(Why::Zero),
                Binary::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            result.map(Value::Int).ok_or_else(range)
        }
        (Value::Uint(a), Value::Uint(b)) => {
            let result = match binary {
                Binary::Subtract => a.checked_sub(*b),
                Binary::Multiply => a.checked_mul(*b),
                _ if *b == 0 => return Err(Why::Zero),
                Binary::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            result.map(Value::Uint).ok_or_else(range)
        }
        (Value::Double(a), Value::Double(b)) => match binary {
            Binary::Subtract => Ok(Value::Double(a - b)),
            Binary::Multiply => Ok(Value::Double(a * b)),
            Binary::Divide => Ok(Value::Double(a / b)),
            _ => Err(wrong(binary.sign(), &[left, right])),
        },
        (Value::Moment(a), Value::Moment(b)) if binary == Binary::Subtract => {
            a.since(*b).map(Value::Span).ok_or_else(range)
        }
        (Value::Moment(moment), Value::Span(span)) if binary == Binary::Subtract => {
            let back = span.0.checked_neg().map(Span).ok_or_else(range)?;
            moment.plus(back).map(Value::Moment).ok_or_else(range)
        }
        (Value::Span(a), Value::Span(b)) if binary == Binary::Subtract => {
            a.0.checked_sub(b.0).map(|nanos| Value::Span(Span(nanos))).ok_or_else(range)
        }
        _ => Err(wrong(binary.sign(), &[left, right])),
    }
}

/// `-value`
pub(super) fn negate<'v>(value: &Value<'v>) -> Result<Value<'v>, Why> {
    match value {
        Value::Int(n) => n.checked_neg().map(Value::Int).ok_or(Why::Range("-")),
        Value::Double(n) => Ok(Value::Double(-n)),
        Value::Span(span) => span.0.checked_neg().map(|n| Value::Span(Span(n))).ok_or(Why::Range("-")),
        other => Err(wrong("-", &[other])),
    }
}
