//! Answers of the app that become streams.

mod body;
mod ends;
mod places;
mod refused;
mod room;
mod support;
