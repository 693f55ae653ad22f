//! Who looks on while a request goes through the steps: nobody, or a dry run that writes down what each of them did.

use std::fmt::Write;

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepName {
    /// Which source the request is for.
    Route,
    /// Whether it is from whom it must be from.
    Verify,
    /// The body, unpacked and split.
    Read,
    /// Whether it is a question of the sender's.
    Handshake,
    /// What tells it from other deliveries.
    Id,
    /// What an event is.
    Type,
    /// Where it goes.
    Topic,
    /// Whether it is wanted.
    Filter,
    /// What is in it.
    Data,
    /// What a step of the program's own made of the events.
    Own,
    /// What the log compares.
    Dedupe,
}

impl StepName {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Verify => "verify",
            Self::Read => "read",
            Self::Handshake => "handshake",
            Self::Id => "id",
            Self::Filter => "filter",
            Self::Topic => "topic",
            Self::Type => "type",
            Self::Data => "data",
            Self::Own => "step",
            Self::Dedupe => "dedupe",
        }
    }
}

/// What one step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// Which.
    pub step: StepName,
    /// Of which event of the delivery, from 0; none for the delivery as a whole.
    pub event: Option<usize>,
    /// What came of it, in words: of the request's own, and never of a secret.
    pub said: Result<String, String>,
}

/// Looks on.
pub(crate) trait Watch {
    /// A step has done what `said` tells; it is only asked when somebody listens.
    fn saw(&mut self, step: StepName, event: Option<usize>, said: impl FnOnce() -> Result<String, String>);
}

/// Nobody: costs nothing.
pub(crate) struct Nobody;

impl Watch for Nobody {
    fn saw(&mut self, _: StepName, _: Option<usize>, _: impl FnOnce() -> Result<String, String>) {}
}

impl Watch for Vec<StepReport> {
    fn saw(&mut self, step: StepName, event: Option<usize>, said: impl FnOnce() -> Result<String, String>) {
        self.push(StepReport { step, event, said: said() });
    }
}

/// Bytes in words: text as it is, cut where it is long.
pub(super) fn shown(bytes: &[u8]) -> String {
    /// Enough to recognise it.
    const MOST: usize = 1000;
    let text = String::from_utf8_lossy(bytes);
    let mut shown = text[..text.floor_char_boundary(MOST)].to_owned();
    if shown.len() < text.len() {
        let _ = write!(shown, "… ({} bytes)", bytes.len());
    }
    shown
}
