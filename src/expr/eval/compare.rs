//! Equality, order and membership. Numbers compare by what they are, whichever kind they are of, and exactly; other
//! values of different kinds are unequal, and have no order.

use std::cmp::Ordering;

use super::super::error::Why;
use super::super::program::Binary;
use super::super::value::{List, Map, Value};
use super::{Evaluation, wrong};

impl<'v> Evaluation<'v, '_, '_> {
    /// `left == right`. Costs a step for each element and each text looked at.
    pub(super) fn equal(&mut self, left: &Value<'v>, right: &Value<'v>) -> Result<bool, Why> {
        Ok(match (left, right) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                self.look(a.len())?;
                **a == **b
            }
            (Value::Moment(a), Value::Moment(b)) => a == b,
            (Value::Span(a), Value::Span(b)) => a == b,
            (Value::Kind(a), Value::Kind(b)) => a == b,
            (Value::List(a), Value::List(b)) => self.equal_lists(a, b)?,
            (Value::Map(a), Value::Map(b)) => self.equal_maps(a, b)?,
            _ => numbers(left, right).is_ok_and(|order| order == Some(Ordering::Equal)),
        })
    }

    fn equal_lists(&mut self, left: &List<'v>, right: &List<'v>) -> Result<bool, Why> {
        if left.len() != right.len() {
            return Ok(false);
        }
        for at in 0..left.len() {
            self.work(1)?;
            let (Some(a), Some(b)) = (left.get(at), right.get(at)) else { return Ok(false) };
            if !self.equal(&a, &b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn equal_maps(&mut self, left: &Map<'v>, right: &Map<'v>) -> Result<bool, Why> {
        if left.len() != right.len() {
            return Ok(false);
        }
        let List::Made(keys) = self.keys(left)? else { return Ok(false) };
        for key in keys.iter() {
            self.work(1)?;
            let (a, b) = (self.entry(left, key)?, self.entry(right, key)?);
            let (Some(a), Some(b)) = (a, b) else { return Ok(false) };
            if !self.equal(&a, &b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How `left` stands to `right`; none where one is no number at all (NaN).
    pub(super) fn order(
        &mut self,
        binary: Binary,
        left: &Value<'v>,
        right: &Value<'v>,
    ) -> Result<Option<Ordering>, Why> {
        match (left, right) {
            (Value::Bool(a), Value::Bool(b)) => Ok(Some(a.cmp(b))),
            (Value::Text(a), Value::Text(b)) => {
                self.look(a.len().min(b.len()))?;
                Ok(Some((**a).cmp(&**b)))
            }
            (Value::Moment(a), Value::Moment(b)) => Ok(Some(a.cmp(b))),
            (Value::Span(a), Value::Span(b)) => Ok(Some(a.cmp(b))),
            _ => numbers(left, right).map_err(|NotNumbers| wrong(binary.sign(), &[left, right])),
        }
    }

    /// `left in right`
    pub(super) fn contains(&mut self, left: &Value<'v>, right: &Value<'v>) -> Result<bool, Why> {
        match right {
            Value::List(list) => {
                for at in 0..list.len() {
                    self.work(1)?;
                    let Some(element) = list.get(at) else { break };
                    if self.equal(left, &element)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Map(map) if Self::can_be_key(left) => Ok(self.entry(map, left)?.is_some()),
            _ => Err(wrong("in", &[left, right])),
        }
    }
}

struct NotNumbers;

/// How two numbers stand to each other; none if one of them is no number at all (NaN).
fn numbers(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, NotNumbers> {
    Ok(match (left, right) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), b) => double(*a, exact(b)?),
        (a, Value::Double(b)) => double(*b, exact(a)?).map(Ordering::reverse),
        (a, b) => Some(exact(a)?.cmp(&exact(b)?)),
    })
}

fn exact(value: &Value<'_>) -> Result<i128, NotNumbers> {
    match value {
        Value::Int(n) => Ok((*n).into()),
        Value::Uint(n) => Ok((*n).into()),
        _ => Err(NotNumbers),
    }
}

/// How a double stands to a whole number, without rounding either.
fn double(double: f64, whole: i128) -> Option<Ordering> {
    /// Beyond every 64-bit whole number.
    const BEYOND: f64 = 1e20;
    if double.is_nan() {
        return None;
    }
    if double.abs() >= BEYOND {
        return Some(if double > 0.0 { Ordering::Greater } else { Ordering::Less });
    }
    let order = (double.trunc() as i128).cmp(&whole);
    if order.is_eq() { double.fract().partial_cmp(&0.0) } else { Some(order) }
}
