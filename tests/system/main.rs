//! The whole program, seen from outside: the binary runs as a child process, and everything is said to it over sockets,
//! byte by byte where that matters.
//!
//! Each test shows what is answered, and that nothing was lost, published or left behind. Nothing here sleeps: whoever
//! waits, waits for a state, and a bound ends a wait that would never end. Nothing is asserted about speed.

mod descriptors;
mod drain;
mod faults;
mod http;
mod reload;
mod resume;
mod seam;
mod shard;
mod slow;
mod start;
mod stream;
mod support;
