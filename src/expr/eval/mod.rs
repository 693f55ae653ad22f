//! Evaluates an expression, and counts what it does.
//!
//! Every node, every element of a loop and every [`STEP_BYTES`] looked at (of what is parsed or hashed, every
//! [`STEP_READ_BYTES`]) costs a step of the delivery's budget, and every
//! text or list made is charged before it is made. So whatever an expression says and a sender sends, an evaluation ends,
//! and takes no more memory than its delivery may. Recursion is bounded by the depth of the expression (`limits.rs`) and,
//! where values are compared or written, by the 128 levels a JSON text may have on top of it.

mod call;
mod compare;
mod operate;

use super::error::{Failed, Why};
use super::limits::{MADE_ELEMENTS, STEP_BYTES, STEP_READ_BYTES};
use super::program::{Binary, Loop, Macro, Node, Op, Program, Variable};
use super::scope::{Element, Left, Scope, header};
use super::value::{Kind, List, Map, Text, Value};

/// Bytes that an element of a made list takes.
const ELEMENT_BYTES: usize = size_of::<Value<'static>>();

/// Evaluates `program` on a scope and, where the source splits, an element.
pub(super) fn evaluate<'v>(
    program: &'v Program,
    scope: &'v Scope<'_>,
    element: Option<&Element<'v>>,
) -> Result<Value<'v>, Failed> {
    Evaluation::new(scope, element).node(&program.root)
}

/// One evaluation: `'v` is how long the expression and the delivery live, which its values borrow from. Dropped, it gives
/// back what it left of the budget; a delivery has one at a time.
pub(super) struct Evaluation<'v, 'e, 'a> {
    scope: &'v Scope<'a>,
    element: Option<&'e Element<'v>>,
    left: Left,
    locals: Vec<Value<'v>>,
}

type Step<'v> = Result<Value<'v>, Failed>;

impl<'v, 'e, 'a> Evaluation<'v, 'e, 'a> {
    pub(super) fn new(scope: &'v Scope<'a>, element: Option<&'e Element<'v>>) -> Self {
        Self { scope, element, left: scope.budget().left(), locals: Vec::new() }
    }

    /// Pays for so many steps.
    pub(super) fn work(&mut self, steps: u64) -> Result<(), Why> {
        let left = self.left.work.checked_sub(steps);
        self.left.work = left.unwrap_or(0);
        left.map(drop).ok_or(Why::Work)
    }

    /// Pays for looking at so many bytes.
    fn look(&mut self, bytes: usize) -> Result<(), Why> {
        self.work((bytes / STEP_BYTES) as u64)
    }

    /// Pays for reading so many bytes one by one.
    fn read(&mut self, bytes: usize) -> Result<(), Why> {
        self.work((bytes / STEP_READ_BYTES) as u64)
    }

    /// Pays for making so many bytes, before they are made.
    pub(super) fn make(&mut self, bytes: usize) -> Result<(), Why> {
        self.look(bytes)?;
        self.left.made = self.left.made.checked_sub(bytes as u64).ok_or_else(|| self.spent())?;
        Ok(())
    }

    /// Bytes that may still be made, and whose work can still be paid for.
    pub(super) fn room(&self) -> u64 {
        self.left.made.min(self.left.work.saturating_mul(STEP_BYTES as u64))
    }

    /// Nothing more may be made.
    fn spent(&mut self) -> Why {
        self.left.made = 0;
        Why::Made
    }

    /// Pays for a list of so many elements.
    fn make_list(&mut self, elements: usize) -> Result<(), Why> {
        if elements > MADE_ELEMENTS {
            return Err(Why::Made);
        }
        self.make(elements * ELEMENT_BYTES)
    }

    pub(super) fn node(&mut self, node: &'v Node) -> Step<'v> {
        self.work(1).map_err(|why| Failed::new(node.at, why))?;
        match &node.op {
            Op::Null => Ok(Value::Null),
            Op::Bool(b) => Ok(Value::Bool(*b)),
            Op::Int(n) => Ok(Value::Int(*n)),
            Op::Uint(n) => Ok(Value::Uint(*n)),
            Op::Double(n) => Ok(Value::Double(*n)),
            Op::Text(text) => Ok(Value::seen(text)),
            Op::Kind(kind) => Ok(Value::Kind(*kind)),
            Op::Variable(variable) => self.variable(*variable).map_err(|why| Failed::new(node.at, why)),
            Op::Local(place) => Ok(self.locals[*place].clone()),
            Op::Select(operand, key) => {
                let operand = self.node(operand)?;
                self.select(&operand, key).map_err(|why| Failed::new(node.at, why))
            }
            Op::Has(operand, key) => match self.node(operand)? {
                Value::Map(map) => {
                    let found = self.look_up(&map, key).map_err(|why| Failed::new(node.at, why))?;
                    Ok(Value::Bool(found.is_some()))
                }
                other => Err(Failed::new(node.at, wrong("has", &[&other]))),
            },
            Op::Index(pair) => {
                let (container, key) = (self.node(&pair[0])?, self.node(&pair[1])?);
                let literal = if let Op::Text(key) = &pair[1].op { Some(&**key) } else { None };
                self.index(&container, &key, literal).map_err(|why| Failed::new(node.at, why))
            }
            Op::Not(operand) => match self.node(operand)? {
                Value::Bool(b) => Ok(Value::Bool(!b)),
                other => Err(Failed::new(node.at, wrong("!", &[&other]))),
            },
            Op::Negate(operand) => {
                let operand = self.node(operand)?;
                operate::negate(&operand).map_err(|why| Failed::new(node.at, why))
            }
            Op::And(pair) => self.either(node, pair, false),
            Op::Or(pair) => self.either(node, pair, true),
            Op::If(parts) => match self.node(&parts[0])? {
                Value::Bool(true) => self.node(&parts[1]),
                Value::Bool(false) => self.node(&parts[2]),
                other => Err(Failed::new(node.at, wrong("?:", &[&other]))),
            },
            Op::Binary(binary, pair) => {
                let (left, right) = (self.node(&pair[0])?, self.node(&pair[1])?);
                self.binary(*binary, &left, &right).map_err(|why| Failed::new(node.at, why))
            }
            Op::Call(function, arguments) => self.arguments(node, *function, arguments),
            Op::Matches(text, pattern) => match self.node(text)? {
                Value::Text(text) => {
                    let steps = (text.len() as u64).saturating_mul(pattern.weight);
                    self.work(steps).map_err(|why| Failed::new(node.at, why))?;
                    Ok(Value::Bool(pattern.regex.is_match(&text)))
                }
                other => Err(Failed::new(node.at, wrong("matches", &[&other]))),
            },
            Op::List(nodes) => {
                self.make_list(nodes.len()).map_err(|why| Failed::new(node.at, why))?;
                let values: Result<Vec<_>, _> = nodes.iter().map(|node| self.node(node)).collect();
                Ok(Value::List(List::Made(values?.into())))
            }
            Op::Map(entries) => self.map(node, entries),
            Op::Each(each) => self.each(node, each),
        }
    }

    fn variable(&mut self, variable: Variable) -> Result<Value<'v>, Why> {
        let request = self.scope.request();
        Ok(match variable {
            Variable::Body => self.scope.body()?.into(),
            Variable::Raw => {
                let raw = self.scope.raw()?;
                self.look(raw.len())?;
                Value::seen(raw)
            }
            Variable::Headers => Value::Map(Map::Headers(self.scope.fields())),
            Variable::Query => Value::Map(Map::Seen(self.scope.query())),
            Variable::Path => Value::seen(request.path),
            Variable::Source => Value::seen(request.source),
            Variable::Method => Value::seen(request.method),
            Variable::Received => Value::Moment(super::time::Moment::from_millis(request.received)),
            // An expression that names them is compiled for elements only, and its callers give one.
            Variable::Each => self.element.map_or(Value::Null, |element| element.value.clone()),
            Variable::Index => self.element.map_or(Value::Null, |element| Value::Int(element.index)),
        })
    }

    /// `&&` and `||`: whichever side decides does so whatever the other is, a failure included.
    fn either(&mut self, node: &'v Node, pair: &'v [Node; 2], deciding: bool) -> Step<'v> {
        let left = self.node(&pair[0]);
        match &left {
            Ok(Value::Bool(b)) if *b == deciding => return left,
            Err(failed) if failed.is_final() => return left,
            _ => {}
        }
        let right = self.node(&pair[1])?;
        match (left, right) {
            (_, Value::Bool(b)) if b == deciding => Ok(Value::Bool(deciding)),
            (Err(failed), _) => Err(failed),
            (Ok(Value::Bool(_)), Value::Bool(_)) => Ok(Value::Bool(!deciding)),
            (Ok(left), right) => {
                Err(Failed::new(node.at, wrong(if deciding { "||" } else { "&&" }, &[&left, &right])))
            }
        }
    }

    fn index(
        &mut self,
        container: &Value<'v>,
        key: &Value<'v>,
        literal: Option<&str>,
    ) -> Result<Value<'v>, Why> {
        match container {
            Value::List(list) => {
                let at = whole(key).ok_or_else(|| wrong("[]", &[container, key]))?;
                usize::try_from(at).ok().and_then(|at| list.get(at)).ok_or(Why::Index)
            }
            Value::Map(map) if Self::can_be_key(key) => {
                let found = self.entry(map, key)?;
                found.ok_or_else(|| Why::Key(literal.map(Into::into)))
            }
            other => Err(wrong("[]", &[other, key])),
        }
    }

    /// Whether a value may be asked for as a key of a map.
    fn can_be_key(value: &Value<'_>) -> bool {
        matches!(value.kind(), Kind::Text | Kind::Int | Kind::Uint | Kind::Bool | Kind::Double)
    }

    /// The value of a key in a map. Numbers are found whichever kind they are of.
    fn entry(&mut self, map: &Map<'v>, key: &Value<'v>) -> Result<Option<Value<'v>>, Why> {
        if let Map::Made(entries) = map {
            self.work(entries.len() as u64)?;
            for (name, value) in entries.iter() {
                if self.equal(name, key)? {
                    return Ok(Some(value.clone()));
                }
            }
            return Ok(None);
        }
        match key {
            Value::Text(key) => self.look_up(map, key),
            _ => Ok(None),
        }
    }

    /// `value.key`
    fn select(&mut self, value: &Value<'v>, key: &str) -> Result<Value<'v>, Why> {
        match value {
            Value::Map(map) => self.look_up(map, key)?.ok_or_else(|| Why::Key(Some(key.into()))),
            other => Err(wrong(".", &[other])),
        }
    }

    /// The value of a text key in a map, if it is there. Paid for before: a key may be as long as the sender likes, and is
    /// hashed or compared with others.
    fn look_up(&mut self, map: &Map<'v>, key: &str) -> Result<Option<Value<'v>>, Why> {
        match map {
            Map::Seen(object) => {
                self.read(key.len())?;
                Ok(object.get(key).map(Value::from))
            }
            Map::Headers(headers) => {
                self.read(key.len())?;
                // One field is shown where it stands, several are put together.
                match headers.bytes(key) {
                    (length, true) => self.make(length)?,
                    (length, false) => self.look(length)?,
                }
                header(*headers, key).transpose()
            }
            Map::Made(entries) => {
                self.work(entries.len() as u64)?;
                for (name, value) in entries.iter() {
                    if let Value::Text(name) = name
                        && name.len() == key.len()
                    {
                        self.look(key.len())?;
                        if **name == *key {
                            return Ok(Some(value.clone()));
                        }
                    }
                }
                Ok(None)
            }
        }
    }

    fn map(&mut self, node: &'v Node, entries: &'v [[Node; 2]]) -> Step<'v> {
        self.make_list(2 * entries.len()).map_err(|why| Failed::new(node.at, why))?;
        let mut made: Vec<(Value<'v>, Value<'v>)> = Vec::with_capacity(entries.len());
        for [key, value] in entries {
            let (at, key, value) = (key.at, self.node(key)?, self.node(value)?);
            if !matches!(key.kind(), Kind::Text | Kind::Int | Kind::Uint | Kind::Bool) {
                return Err(Failed::new(at, wrong("{}", &[&key])));
            }
            for (other, _) in &made {
                if self.equal(other, &key).map_err(|why| Failed::new(at, why))? {
                    return Err(Failed::new(at, Why::Twice));
                }
            }
            made.push((key, value));
        }
        Ok(Value::Map(Map::Made(made.into())))
    }

    /// A macro over a list's elements or a map's keys.
    fn each(&mut self, node: &'v Node, each: &'v Loop) -> Step<'v> {
        let elements = match self.node(&each.range)? {
            Value::List(list) => list,
            Value::Map(map) => self.keys(&map).map_err(|why| Failed::new(node.at, why))?,
            other => return Err(Failed::new(node.at, wrong(each.kind.name(), &[&other]))),
        };
        let mut fold = Fold::new(each.kind);
        for at in 0..elements.len() {
            let Some(element) = elements.get(at) else { break };
            self.work(1).map_err(|why| Failed::new(node.at, why))?;
            let depth = self.locals.len();
            self.locals.push(element.clone());
            let result = self.visit(each);
            self.locals.truncate(depth);
            let grown = fold.made.len();
            if fold.take(node, element, result)? {
                break;
            }
            if fold.made.len() > grown {
                // Paid one by one, as how many there will be is not known; the list is copied once it is whole.
                self.make_list(2).map_err(|why| Failed::new(node.at, why))?;
                if fold.made.len() > MADE_ELEMENTS {
                    return Err(Failed::new(node.at, Why::Made));
                }
            }
        }
        fold.end()
    }

    /// The macro's body on the element pushed last; none where `map` leaves it out.
    fn visit(&mut self, each: &'v Loop) -> Result<Option<Value<'v>>, Failed> {
        if let Some(when) = &each.when {
            match self.node(when)? {
                Value::Bool(true) => {}
                Value::Bool(false) => return Ok(None),
                other => return Err(Failed::new(when.at, wrong("map", &[&other]))),
            }
        }
        self.node(&each.body).map(Some)
    }

    fn keys(&mut self, map: &Map<'v>) -> Result<List<'v>, Why> {
        self.make_list(map.len())?;
        Ok(List::Made(map.keys().collect()))
    }

    fn binary(&mut self, binary: Binary, left: &Value<'v>, right: &Value<'v>) -> Result<Value<'v>, Why> {
        Ok(Value::Bool(match binary {
            Binary::Equal => self.equal(left, right)?,
            Binary::Unequal => !self.equal(left, right)?,
            Binary::Less => self.order(binary, left, right)?.is_some_and(std::cmp::Ordering::is_lt),
            Binary::LessEqual => self.order(binary, left, right)?.is_some_and(std::cmp::Ordering::is_le),
            Binary::Greater => self.order(binary, left, right)?.is_some_and(std::cmp::Ordering::is_gt),
            Binary::GreaterEqual => self.order(binary, left, right)?.is_some_and(std::cmp::Ordering::is_ge),
            Binary::In => self.contains(left, right)?,
            Binary::Add => return self.add(left, right),
            Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder => {
                return operate::calculate(binary, left, right);
            }
        }))
    }
}

impl Drop for Evaluation<'_, '_, '_> {
    fn drop(&mut self) {
        self.scope.budget().put_back(self.left);
    }
}

/// What a macro makes of its elements' results.
struct Fold<'v> {
    kind: Macro,
    made: Vec<Value<'v>>,
    count: usize,
    /// A failure that a later element may still decide over.
    failed: Option<Failed>,
    decided: bool,
}

impl<'v> Fold<'v> {
    fn new(kind: Macro) -> Self {
        Self { kind, made: Vec::new(), count: 0, failed: None, decided: false }
    }

    /// Takes one element's result in, and says whether nothing can change any more.
    fn take(
        &mut self,
        node: &Node,
        element: Value<'v>,
        result: Result<Option<Value<'v>>, Failed>,
    ) -> Result<bool, Failed> {
        let lasting = matches!(self.kind, Macro::All | Macro::Exists);
        let value = match result {
            Err(failed) if lasting && !failed.is_final() => {
                self.failed = Some(failed);
                return Ok(false);
            }
            Err(failed) => return Err(failed),
            Ok(None) => return Ok(false),
            Ok(Some(value)) => value,
        };
        if self.kind == Macro::Map {
            self.made.push(value);
            return Ok(false);
        }
        let Value::Bool(yes) = value else {
            let failed = Failed::new(node.at, wrong(self.kind.name(), &[&value]));
            if !lasting {
                return Err(failed);
            }
            self.failed = Some(failed);
            return Ok(false);
        };
        match self.kind {
            Macro::All => self.decided = !yes,
            Macro::Exists => self.decided = yes,
            Macro::ExistsOne => self.count += usize::from(yes),
            Macro::Filter | Macro::Map => {
                if yes {
                    self.made.push(element);
                }
            }
        }
        Ok(self.decided)
    }

    fn end(self) -> Step<'v> {
        Ok(match (self.kind, self.failed) {
            (Macro::All | Macro::Exists, _) if self.decided => Value::Bool(self.kind == Macro::Exists),
            (Macro::All | Macro::Exists, Some(failed)) => return Err(failed),
            (Macro::All | Macro::Exists, None) => Value::Bool(self.kind == Macro::All),
            (Macro::ExistsOne, _) => Value::Bool(self.count == 1),
            (Macro::Map | Macro::Filter, _) => Value::List(List::Made(self.made.into())),
        })
    }
}

impl<'v> Map<'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Seen(object) => object.len(),
            Self::Headers(headers) => headers.len(),
            Self::Made(entries) => entries.len(),
        }
    }

    fn keys(&self) -> Box<dyn Iterator<Item = Value<'v>> + '_> {
        match self {
            Self::Seen(object) => Box::new(object.iter().map(|(key, _)| Value::seen(key))),
            Self::Headers(headers) => Box::new(headers.names().map(|name| Value::seen(name.as_str()))),
            Self::Made(entries) => Box::new(entries.iter().map(|(key, _)| key.clone())),
        }
    }
}

/// A whole number of any kind.
fn whole(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(n) => Some((*n).into()),
        Value::Uint(n) => Some((*n).into()),
        // Exact below 2⁵³, and no list is as long.
        Value::Double(n) if n.trunc().to_bits() == n.to_bits() && n.abs() < 9e15 => Some(*n as i128),
        _ => None,
    }
}

/// An operation on kinds it isn't made for.
fn wrong(operation: &'static str, values: &[&Value<'_>]) -> Why {
    Why::Kind { operation, kinds: values.iter().map(|value| value.kind()).collect() }
}

impl Text<'_> {
    /// Text that is kept beyond what it was made in.
    fn joined(parts: [&str; 2]) -> Self {
        Self::Made(parts.concat().into())
    }
}
