//! The whole program, seen from outside: the binary runs as a child process, and everything is said to it over sockets,
//! byte by byte where that matters.
//!
//! Each test shows what is answered, and that nothing was lost, published or left behind. Nothing here sleeps: whoever
//! waits, waits for a state, and a bound ends a wait that would never end. Nothing is asserted about speed.

#![allow(clippy::float_cmp, reason = "metrics here are counts, which a float holds exactly")]
#![allow(clippy::needless_pass_by_value, reason = "what is given up is not to be used again")]
#![allow(clippy::doc_markdown, reason = "names of Kubernetes and of the web are words here")]
#![allow(clippy::cast_sign_loss, reason = "shares of a time that has passed are not negative")]

mod admin;
mod admin_writes;
mod asking;
mod auth;
mod auth_ends;
mod auth_forward;
mod auth_hold;
mod auth_keys;
mod auth_secret;
mod bodies;
mod boundary;
mod cors;
mod descriptors;
mod drain;
mod faults;
mod framing;
mod grants;
mod http;
mod limits;
mod pages;
mod per_ip;
mod proxies;
mod rate;
mod reload;
mod remote;
mod resume;
mod seam;
mod shard;
mod slow;
mod start;
mod stream;
mod support;
mod vanish;
