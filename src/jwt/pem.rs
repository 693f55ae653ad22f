//! The text form of keys and certificates (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::KeyError;

/// A key's wrapping, by its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// `PUBLIC KEY`
    Spki,
    /// `RSA PUBLIC KEY`
    Rsa,
    /// `CERTIFICATE`
    Certificate,
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The one block in `text`; what stands around it is a comment.
///
/// A second one is refused: of a chain of certificates all but the first belong to authorities, and whoever holds an
/// authority's key is not meant to sign tokens.
pub(super) fn only_block(text: &[u8]) -> Result<(Label, Vec<u8>), KeyError> {
    let text = std::str::from_utf8(text).map_err(|_| KeyError::NotPem)?;
    let (_, rest) = text.split_once(BEGIN).ok_or(KeyError::NotPem)?;
    let (label, rest) = rest.split_once(DASHES).ok_or(KeyError::NotPem)?;
    let (body, rest) = rest.split_once(END).ok_or(KeyError::NotPem)?;
    let rest = rest.strip_prefix(label).and_then(|rest| rest.strip_prefix(DASHES)).ok_or(KeyError::NotPem)?;
    let label = match label {
        "PUBLIC KEY" => Label::Spki,
        "RSA PUBLIC KEY" => Label::Rsa,
        "CERTIFICATE" => Label::Certificate,
        private if private.ends_with("PRIVATE KEY") => return Err(KeyError::Private),
        _ => return Err(KeyError::Unsupported),
    };
    if rest.contains(BEGIN) {
        return Err(KeyError::Several);
    }
    let body: Vec<u8> = body.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(body).map_err(|_| KeyError::NotPem)?;
    Ok((label, der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_and_its_label() {
        let block = "-----BEGIN PUBLIC KEY-----\r\nAQ\r\nID\r\n-----END PUBLIC KEY-----\n";
        assert_eq!(only_block(block.as_bytes()), Ok((Label::Spki, vec![1, 2, 3])));
        let commented = format!("issuer: me\n{block}bye\n");
        assert_eq!(only_block(commented.as_bytes()), Ok((Label::Spki, vec![1, 2, 3])));
        assert_eq!(only_block(block.repeat(2).as_bytes()), Err(KeyError::Several));
        for (from, to, why) in [
            ("PUBLIC", "PRIVATE", KeyError::Private),
            ("PUBLIC", "EC PRIVATE", KeyError::Private),
            ("PUBLIC KEY", "X509 CRL", KeyError::Unsupported),
            ("-----END PUBLIC", "-----END RSA PUBLIC", KeyError::NotPem),
            ("-----END", "", KeyError::NotPem),
            ("AQ", "A!", KeyError::NotPem),
        ] {
            assert_eq!(only_block(block.replace(from, to).as_bytes()), Err(why), "{to}");
        }
        assert_eq!(only_block(b"\xff"), Err(KeyError::NotPem));
    }
}
