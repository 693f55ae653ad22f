//! The ingress over raw bytes, with a log whose outcomes are scripted. Each case shows the answer and what was published.

mod answers;
mod content;
mod dedupe;
mod fake;
mod faults;
mod forged;
mod kept;
mod make;
mod mapping;
mod plugins;
mod publish;
mod rate;
mod relayed;
mod reload;
mod secrets;
mod served;
mod verified;
mod wire;
