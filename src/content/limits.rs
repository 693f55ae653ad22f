//! Every limit on what a body or a handshake may hold, with its unit and its reason, in one place.

/// Content codings of one body. Nobody packs more than once on purpose; each more is work without anything to show.
pub const CODINGS: usize = 4;

/// Fields of a form, and parameters of a query. Senders stay below a hundred; PHP's own limit is this one.
pub const FORM_FIELDS: usize = 1000;

/// Extension attributes of one CloudEvent. Each is kept apart, which costs some ten times what it takes in a body.
pub const EXTENSIONS: usize = 64;

/// Bytes of what is sent back to whoever asks for an echo. A challenge has below a hundred.
pub const ECHO_BYTES: usize = 1024;

/// Bytes of a sender's name in `WebHook-Request-Origin`: what a DNS name may have (RFC 1035 §2.3.4), and a port.
pub const ORIGIN_BYTES: usize = 260;

/// Bytes of what is quoted back of a request in an error: enough to find it by.
pub const QUOTE_BYTES: usize = 64;

// A challenge comes in a query, which is part of a head.
const _: () = assert!(QUOTE_BYTES < ORIGIN_BYTES && ORIGIN_BYTES < ECHO_BYTES);

/// The beginning of `text`, of [`QUOTE_BYTES`] at most.
pub(super) fn quote(text: &str) -> String {
    text[..text.floor_char_boundary(QUOTE_BYTES)].to_owned()
}
