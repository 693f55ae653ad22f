//! What a rule says, what a request needs to satisfy rules, and why it is denied.

/// What is asked of whoever wants a rule's topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing.
    #[default]
    Public,
    /// A token that grants them.
    Jwt,
    /// The app's word that they may be listened to.
    Forward,
    /// Nobody may listen.
    Deny,
}

/// What a request has to bring for what it wants. All false: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// A token.
    pub jwt: bool,
    /// The app's word.
    pub forward: bool,
    /// It is of no use: something of it nobody may have.
    pub denied: bool,
}

impl Needs {
    /// Whether everybody may have all of it.
    #[must_use]
    pub fn nothing(self) -> bool {
        self == Self::default()
    }
}

/// Why a request may not have what it wants. The order is that of precedence where several are so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Denied {
    /// A rule says `deny`: 403.
    #[error("a rule denies it to everybody")]
    Rule,
    /// A rule asks for a token and there is none: 401.
    #[error("a token is asked for")]
    NoToken,
    /// The token grants no pattern that covers what is wanted: 403.
    #[error("the token does not grant it")]
    Topic,
    /// A rule asks for the app's word, and there is none, or it does not go that far: 403.
    #[error("the app does not grant it")]
    App,
}

impl Denied {
    /// A word for it that labels metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Rule => "denied",
            Self::NoToken => "no_token",
            Self::Topic => "topic",
            Self::App => "app",
        }
    }
}
