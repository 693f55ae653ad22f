//! Who was revoked: subjects and tokens that are refused though their tokens are good.
//!
//! Bounded, and nothing is forgotten before its time: when it is full, it takes no more and says so. Kept in memory: a
//! restart forgets it, and no other instance knows of it. Looked at once for each request with a token and for each grant
//! that is judged again, never for an event.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::Grant;
use crate::event::Millis;

/// Entries at most. With names as long as they may be this is some 35 MB; a subject of a UUID takes 100 bytes.
const ENTRIES: usize = 100_000;

/// Bytes of a subject or a token's id. OpenID Connect Core 1.0, section 2, allows 255 for a `sub`; an id is a UUID as a rule.
pub const NAME_BYTES: usize = 256;

/// How long an entry lasts where nothing is said: longer than tokens do.
pub const LASTS: Duration = Duration::from_hours(30 * 24);

/// The longest that may be asked for.
pub const LASTS_MOST: Duration = Duration::from_hours(365 * 24);

/// Entries from which on those that are over are looked for when one is added, at least.
const PRUNED_FROM: usize = 1024;

/// Who is to be revoked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Whom {
    /// All tokens of a subject (`sub`) that were made until now.
    Subject(Arc<str>),
    /// One token, by its id (`jti`).
    Token(Arc<str>),
}

impl Whom {
    /// A subject.
    ///
    /// # Errors
    /// [`NameLength`] when it is empty or too long.
    pub fn subject(name: &str) -> Result<Self, NameLength> {
        checked(name).map(Self::Subject)
    }

    /// A token's id.
    ///
    /// # Errors
    /// [`NameLength`] when it is empty or too long.
    pub fn token(id: &str) -> Result<Self, NameLength> {
        checked(id).map(Self::Token)
    }

    /// Whether it is the subject or the token of `grant`.
    #[must_use]
    pub fn is_of(&self, grant: &Grant) -> bool {
        match self {
            Self::Subject(name) => grant.subject.as_ref() == Some(name),
            Self::Token(id) => grant.token_id.as_ref() == Some(id),
        }
    }
}

/// The kind alone: whom it names is personal.
impl fmt::Debug for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subject(_) => "Subject(..)",
            Self::Token(_) => "Token(..)",
        })
    }
}

/// A name that can't be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has 1 to {NAME_BYTES} bytes")]
pub struct NameLength;

fn checked(name: &str) -> Result<Arc<str>, NameLength> {
    if name.is_empty() || name.len() > NAME_BYTES { Err(NameLength) } else { Ok(name.into()) }
}

/// There is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{ENTRIES} subjects and tokens are revoked already; it takes more when one of these is over")]
pub struct RevokedFull;

/// Subjects and tokens that are refused though their tokens are good.
pub struct Revoked {
    entries: RwLock<Entries>,
    most: usize,
}

/// Two maps, so that either is looked up by a borrowed name.
struct Entries {
    subjects: HashMap<Arc<str>, Entry>,
    tokens: HashMap<Arc<str>, Entry>,
    /// So many entries, and those that are over are looked for.
    prune_at: usize,
}

/// What is known of one that was revoked.
#[derive(Clone, Copy)]
struct Entry {
    /// When it was.
    since: Millis,
    /// From when on it is forgotten.
    until: Millis,
}

impl Entries {
    fn len(&self) -> usize {
        self.subjects.len() + self.tokens.len()
    }

    /// The map that `whom` belongs to, and its name there.
    fn place<'a>(&mut self, whom: &'a Whom) -> (&mut HashMap<Arc<str>, Entry>, &'a Arc<str>) {
        match whom {
            Whom::Subject(name) => (&mut self.subjects, name),
            Whom::Token(id) => (&mut self.tokens, id),
        }
    }

    /// Forgets those that are over, once there are so many that it is worth a look at all.
    fn prune(&mut self, now: Millis, most: usize) {
        if self.len() < self.prune_at {
            return;
        }
        for map in [&mut self.subjects, &mut self.tokens] {
            map.retain(|_, entry| entry.until > now);
        }
        // Twice what is left, so that a look at all of them is paid for by as many that came.
        self.prune_at = (2 * self.len()).max(PRUNED_FROM).min(most);
    }
}

impl Default for Revoked {
    fn default() -> Self {
        Self::with_room(ENTRIES)
    }
}

impl fmt::Debug for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Revoked").field(&self.read().len()).finish()
    }
}

impl Revoked {
    fn with_room(most: usize) -> Self {
        let entries =
            Entries { subjects: HashMap::new(), tokens: HashMap::new(), prune_at: PRUNED_FROM.min(most) };
        Self { entries: RwLock::new(entries), most }
    }

    /// Refuses `whom` from `now` on, for as long as `lasts`, at most [`LASTS_MOST`]. Who is revoked again stays so for the
    /// longer time, and with the newer moment.
    ///
    /// # Errors
    /// [`RevokedFull`] when there is no room: nothing is revoked then, and nobody forgotten.
    pub fn revoke(&self, whom: &Whom, lasts: Duration, now: Millis) -> Result<(), RevokedFull> {
        let lasts = lasts.min(LASTS_MOST).as_millis() as u64;
        let new = Entry { since: now, until: Millis(now.0.saturating_add(lasts)) };
        let mut entries = self.write();
        let (map, name) = entries.place(whom);
        if let Some(known) = map.get_mut(name) {
            let (since, until) = (known.since.max(new.since), known.until.max(new.until));
            *known = Entry { since, until };
            return Ok(());
        }
        entries.prune(now, self.most);
        if entries.len() >= self.most {
            return Err(RevokedFull);
        }
        let (map, name) = entries.place(whom);
        map.insert(Arc::clone(name), new);
        Ok(())
    }

    /// Whether a token is refused: its `jti` is revoked, or its `sub` is and it was made (`iat`) at or before that. One
    /// that does not say when it was made is refused with its subject.
    #[must_use]
    pub fn revokes(
        &self,
        subject: Option<&str>,
        token_id: Option<&str>,
        issued: Option<Millis>,
        now: Millis,
    ) -> bool {
        let entries = self.read();
        let lasting = |entry: &Entry| entry.until > now;
        let made_before = |entry: &Entry| issued.is_none_or(|issued| issued <= entry.since);
        let by_id = token_id.and_then(|id| entries.tokens.get(id));
        let by_subject = subject.and_then(|name| entries.subjects.get(name));
        by_id.is_some_and(lasting) || by_subject.is_some_and(|entry| lasting(entry) && made_before(entry))
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(hours: u64) -> Millis {
        Millis(hours * 3_600_000)
    }

    /// Whether a token of `sub` that was made at `issued` is refused at `now`.
    fn of(revoked: &Revoked, sub: &str, issued: Option<Millis>, now: Millis) -> bool {
        revoked.revokes(Some(sub), Some("t"), issued, now)
    }

    #[test]
    fn a_subject_is_refused_with_what_was_made_until_then_and_no_longer_than_asked_for() {
        let revoked = Revoked::default();
        assert!(!of(&revoked, "anna", None, at(10)));
        revoked.revoke(&Whom::subject("anna").unwrap(), 2 * HOUR, at(10)).unwrap();
        for (issued, refused) in
            [(Some(at(9)), true), (Some(at(10)), true), (Some(at(11)), false), (None, true)]
        {
            assert_eq!(of(&revoked, "anna", issued, at(11)), refused, "{issued:?}");
        }
        assert!(!of(&revoked, "bert", None, at(11)));
        assert!(!revoked.revokes(None, None, None, at(11)));
        // An id is no subject, whatever it is called.
        assert!(!revoked.revokes(None, Some("anna"), None, at(11)));
        assert!(!of(&revoked, "anna", Some(at(9)), at(12)), "its time is over");
    }

    #[test]
    fn a_token_is_refused_whenever_it_was_made() {
        let revoked = Revoked::default();
        revoked.revoke(&Whom::token("t1").unwrap(), HOUR, at(10)).unwrap();
        let refused = |id: &str, now| revoked.revokes(Some("anna"), Some(id), Some(at(20)), now);
        assert!(refused("t1", at(10)) && !refused("t2", at(10)) && !refused("t1", at(11)));
    }

    #[test]
    fn who_is_revoked_again_stays_so_for_the_longer_time() {
        let revoked = Revoked::default();
        let anna = || Whom::subject("anna").unwrap();
        revoked.revoke(&anna(), 10 * HOUR, at(10)).unwrap();
        revoked.revoke(&anna(), HOUR, at(12)).unwrap();
        assert!(of(&revoked, "anna", Some(at(12)), at(19)), "the newer moment, and the longer time");
        // A clock that was set back takes nothing away.
        revoked.revoke(&anna(), HOUR, at(1)).unwrap();
        assert!(of(&revoked, "anna", Some(at(12)), at(19)));
    }

    #[test]
    fn when_it_is_full_it_takes_no_more_and_forgets_nobody() {
        let revoked = Revoked::with_room(3);
        let whom = |n: usize| Whom::subject(&format!("s{n}")).unwrap();
        for n in 0..3 {
            revoked.revoke(&whom(n), (n as u32 + 1) * HOUR, at(0)).unwrap();
        }
        assert_eq!(revoked.revoke(&whom(3), HOUR, at(0)), Err(RevokedFull));
        assert!(!of(&revoked, "s3", None, at(0)));
        assert!((0..3).all(|n| of(&revoked, &format!("s{n}"), None, at(0))));
        revoked.revoke(&whom(1), HOUR, at(0)).unwrap();
        // One is over, and there is room for one.
        revoked.revoke(&whom(3), 9 * HOUR, at(1)).unwrap();
        assert_eq!(revoked.revoke(&whom(4), HOUR, at(1)), Err(RevokedFull));
        assert!((1..4).all(|n| of(&revoked, &format!("s{n}"), None, at(1))));
    }

    #[test]
    fn what_is_over_takes_no_room_for_long() {
        let revoked = Revoked::default();
        for n in 0..10 * PRUNED_FROM {
            let now = Millis(n as u64);
            revoked.revoke(&Whom::token(&n.to_string()).unwrap(), Duration::from_millis(10), now).unwrap();
        }
        assert!(revoked.read().len() <= PRUNED_FROM);
        assert!(revoked.read().prune_at <= 2 * PRUNED_FROM);
    }

    #[test]
    fn names_have_a_length_and_are_not_shown() {
        let longest = "x".repeat(NAME_BYTES);
        assert!(Whom::subject(&longest).is_ok() && Whom::token("t").is_ok());
        assert_eq!(Whom::subject(&format!("{longest}x")), Err(NameLength));
        assert_eq!(Whom::token(""), Err(NameLength));
        let revoked = Revoked::default();
        revoked.revoke(&Whom::subject("anna").unwrap(), HOUR, at(0)).unwrap();
        let shown = format!("{:?} {revoked:?}", Whom::subject("anna").unwrap());
        assert!(!shown.contains("anna"), "{shown}");
    }
}
