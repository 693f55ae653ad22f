//! The fan-out as a whole, threads and sockets included, on the log that goes wrong; and one shard, turned by hand,
//! against a model.

mod drain;
mod log;
mod pinned;
mod resets;
mod support;
