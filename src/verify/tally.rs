//! Which of several secrets it was, found out in a time that does not say.

use subtle::{Choice, ConditionallySelectable};

use super::request::{Unverified, Verified};

/// Counts what matched. Nothing ends early: whoever tries signatures learns nothing from how long the answer takes,
/// neither which secret it was nor how near they came.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    found: Choice,
    secret: u32,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { found: Choice::from(0), secret: 0 }
    }

    /// Notes that the secret with this index matched, or did not. The first that matched stays.
    pub(super) fn note(&mut self, secret: usize, matched: Choice) {
        self.secret.conditional_assign(&(secret as u32), matched & !self.found);
        self.found |= matched;
    }

    /// What came of it.
    pub(super) fn result(self) -> Result<Verified, Unverified> {
        if self.found.into() {
            Ok(Verified { secret: Some(self.secret as usize) })
        } else {
            Err(Unverified::Mismatch)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_matched() {
        let of = |matches: &[(usize, u8)]| {
            let mut tally = Tally::new();
            for (secret, matched) in matches {
                tally.note(*secret, Choice::from(*matched));
            }
            tally.result()
        };
        assert_eq!(of(&[]), Err(Unverified::Mismatch));
        assert_eq!(of(&[(0, 0), (1, 0)]), Err(Unverified::Mismatch));
        assert_eq!(of(&[(0, 0), (1, 1), (2, 1), (3, 0)]), Ok(Verified { secret: Some(1) }));
        assert_eq!(of(&[(0, 1), (1, 0)]), Ok(Verified { secret: Some(0) }));
    }
}
