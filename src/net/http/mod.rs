//! What all listeners share of HTTP: one answer per request, bodies within limits, and connections that end cleanly.
//!
//! An [`Exchange`] is one request and its one answer. Invariants:
//! - an answer leaves in one write, head and body together;
//! - a connection whose request was not read to its end is closed after the answer, and what the sender still sends is
//!   read and dropped within bounds, so that no reset overtakes the answer;
//! - a body is never longer in memory than its limit, however it is framed.

mod answer;
mod body;
mod budget;
mod date;
mod exchange;
pub mod form;
mod incoming;
mod linger;
mod own;
mod percent;
mod target;
mod way;

pub use answer::Answer;
pub use body::{BodyError, BodyLimit};
pub use budget::BodyBudget;
pub(crate) use date::date;
pub use exchange::{Answered, Exchange, HeadError, Reuse, Unreadable};
pub use incoming::{Caller, Incoming, Intake};
pub use linger::linger;
pub(crate) use own::{hold_fields, is_hold};
pub use percent::{DecodeError, decode};
pub(crate) use target::origin_form;
pub use way::{Scheme, Way};
pub(crate) use way::{X_FORWARDED_FOR, add_via, is_about_caller, is_loop};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
