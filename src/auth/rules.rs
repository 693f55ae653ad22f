//! The rules for topics, and the judgement.

use super::{Access, AppWord, Bearer, Denied, Needs};
use crate::event::{Pattern, Selector, Topic};

/// Who may listen to what: rules in order, of which the first that matches a topic applies, and what applies to the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Box<[(Pattern, Access)]>,
    default: Access,
}

impl Rules {
    /// These rules in order, and what applies where none of them does.
    #[must_use]
    pub fn new(rules: Vec<(Pattern, Access)>, default: Access) -> Self {
        Self { rules: rules.into(), default }
    }

    /// What applies where no rule does.
    #[must_use]
    pub fn default_access(&self) -> Access {
        self.default
    }

    /// Whether everybody may listen to everything.
    #[must_use]
    pub fn all_public(&self) -> bool {
        self.default == Access::Public && self.rules.iter().all(|(_, access)| *access == Access::Public)
    }

    /// Whether some rule, or what applies to the rest, says so.
    #[must_use]
    pub fn asks(&self, access: Access) -> bool {
        self.default == access || self.rules.iter().any(|(_, said)| *said == access)
    }

    /// What a request has to bring: the sum over what is wanted. For one pattern that is what every rule says that it
    /// intersects, up to and including the first that covers it whole; where none does, the default as well.
    #[must_use]
    pub fn needs(&self, wanted: &Selector) -> Needs {
        let mut needs = Needs::default();
        for one in each(wanted) {
            self.asked(one, |access| match access {
                Access::Public => {}
                Access::Jwt => needs.jwt = true,
                Access::Forward => needs.forward = true,
                Access::Deny => needs.denied = true,
            });
        }
        needs
    }

    /// Admits, or says why not. Each of what is wanted has to be admitted by every rule that [`Rules::needs`] speaks of:
    /// where it says `jwt`, one pattern of the token's has to cover it whole; where it says `forward`, the app's word has
    /// to, likewise.
    ///
    /// # Errors
    /// [`Denied`]; of several reasons the one that comes first there.
    pub fn judge(
        &self,
        wanted: &Selector,
        bearer: Option<&Bearer>,
        app: Option<&AppWord>,
    ) -> Result<(), Denied> {
        let mut denied: Option<Denied> = None;
        for one in each(wanted) {
            // Asked once for each of what is wanted, not once for each rule: both lists may be long.
            let (mut by_token, mut by_app) = (None, None);
            self.asked(one, |access| {
                let why = match access {
                    Access::Public => None,
                    Access::Deny => Some(Denied::Rule),
                    Access::Jwt => *by_token.get_or_insert_with(|| denied_by_token(bearer, one)),
                    Access::Forward => *by_app.get_or_insert_with(|| denied_by_app(app, one)),
                };
                denied = denied.into_iter().chain(why).min();
            });
        }
        denied.map_or(Ok(()), Err)
    }

    /// Tells what the rules say that one of what is wanted meets, in order.
    fn asked(&self, one: One<'_>, mut tell: impl FnMut(Access)) {
        for (pattern, access) in &self.rules {
            if one.meets(pattern) {
                tell(*access);
                if one.within(pattern) {
                    return;
                }
            }
        }
        tell(self.default);
    }
}

fn denied_by_token(bearer: Option<&Bearer>, one: One<'_>) -> Option<Denied> {
    match bearer {
        None => Some(Denied::NoToken),
        Some(bearer) if bearer.allowed.iter().any(|granted| one.within(granted)) => None,
        Some(_) => Some(Denied::Topic),
    }
}

fn denied_by_app(app: Option<&AppWord>, one: One<'_>) -> Option<Denied> {
    let granted = app.is_some_and(|word| match &word.allowed {
        None => true,
        Some(allowed) => allowed.iter().any(|granted| one.within(granted)),
    });
    (!granted).then_some(Denied::App)
}

/// One of what is wanted.
#[derive(Clone, Copy)]
enum One<'a> {
    Topic(&'a Topic),
    Pattern(&'a Pattern),
}

impl One<'_> {
    /// Whether some topic of it is the pattern's too.
    fn meets(self, pattern: &Pattern) -> bool {
        match self {
            Self::Topic(topic) => pattern.matches(topic),
            Self::Pattern(one) => pattern.intersects(one),
        }
    }

    /// Whether every topic of it is the pattern's too.
    fn within(self, pattern: &Pattern) -> bool {
        match self {
            Self::Topic(topic) => pattern.matches(topic),
            Self::Pattern(one) => pattern.covers(one),
        }
    }
}

fn each(wanted: &Selector) -> impl Iterator<Item = One<'_>> {
    let (topic, patterns) = match wanted {
        Selector::Topic(topic) => (Some(One::Topic(topic)), [].as_slice()),
        Selector::Patterns(patterns) => (None, &**patterns),
    };
    topic.into_iter().chain(patterns.iter().map(One::Pattern))
}
