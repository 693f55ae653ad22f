//! What the fan-out cannot do without ends the process when it panics: without it subscribers would wait for ever, and
//! look connected.

/// Ends the process if it is dropped by a panic. Names what panicked.
pub(super) struct EndOnPanic(pub &'static str);

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            end_process(self.0);
        }
    }
}

/// Says what panicked, and ends the process.
pub(super) fn end_process(what: &str) -> ! {
    tracing::error!("{what} panicked; the fan-out cannot do without it, so the process ends");
    std::process::abort();
}
