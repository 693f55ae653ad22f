//! The ingress over raw bytes, with a log whose outcomes are scripted. Each case shows the answer and what was published.

mod fake;
mod faults;
mod publish;
mod rate;
mod served;
mod wire;
