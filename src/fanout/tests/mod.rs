//! The fan-out as a whole, threads and sockets included: on the log in memory, and on one that goes wrong. One shard alone
//! is held against a model in `shard::model`.

mod begin;
mod drain;
mod grants;
mod limits;
mod list;
mod log;
mod pinned;
mod purge;
mod resets;
mod slow;
mod subscriptions;
mod support;
mod vanish;
