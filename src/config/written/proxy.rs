//! Whose word about their callers is believed.

use std::fmt;

use crate::edge::{Trusted, TrustedError};

use super::{Misread, Written};

/// A trusted proxy, or a network of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proxy(pub Trusted);

impl Written for Proxy {
    const FORMAT: &'static str = "sidestream-proxy";
    const EXPECTED: &'static str =
        "a network such as 10.0.0.0/8 or \"fd00::/8\", an address such as 10.0.0.1 or \"fd00::1\", or unix";

    fn read(text: &str) -> Result<Self, Misread> {
        text.parse().map(Self).map_err(|error| match error {
            TrustedError::Form => Misread::Form,
            TrustedError::Beyond(_) => Misread::Because(error.to_string().into()),
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_network_is_told_with_what_is_meant() {
        assert_eq!(Proxy::read("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(Proxy::read("proxy.example"), Err(Misread::Form));
        let why = "expected 10.0.0.0/8: the address has bits beyond the network's length";
        assert_eq!(Proxy::read("10.1.0.0/8"), Err(Misread::Because(why.into())));
    }
}
