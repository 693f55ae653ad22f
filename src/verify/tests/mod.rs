//! What holds for the presets: known signatures, traps, bad input, and that nothing that is signed can be changed.

mod bad_input;
mod credentials;
mod forging;
mod generic;
mod rotation;
mod secrecy;
mod traps;
mod twilio;
mod vectors;
