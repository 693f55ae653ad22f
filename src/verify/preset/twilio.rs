//! Twilio. <https://www.twilio.com/docs/usage/security#validating-requests>
//!
//! The one scheme that does not sign the body's bytes. Signed is the URL as Twilio was told it, which is never what `Host`
//! says, followed by the fields of a form, sorted, name and value without anything in between. Any other body is covered
//! by its digest in the query, `bodySHA256`; a body that is neither is not covered at all and is refused.
//!
//! It is as strong as it is: `ab=c` and `a=bc` have the same signature, and so has a form in another order or with `%2b`
//! for `%2B`. What is said of other schemes, that no byte can be changed, does not hold for the bytes between values.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::octets::{Plus, pairs, strict};
use crate::secret::Secret;
use crate::verify::header::{self, sensitive};
use crate::verify::key::KeyProblem;
use crate::verify::limits::{FORM_FIELDS, SECRETS, SIGNATURE_HEADER_BYTES};
use crate::verify::mac::MacKey;
use crate::verify::request::{Request, Unverified, Verified, Verifier};
use crate::verify::tally::Tally;
use crate::verify::{Algorithm, Encoding, Facts, IdRule, Proof, Refused, Scheme};

use super::{in_header, name};

/// The field of the query that holds the digest of a body that is no form.
const BODY_DIGEST: &str = "bodySHA256";

/// Twilio; the secret is the account's auth token, and `public_url` is the URL that Twilio was told, without its query,
/// which is taken from the request.
///
/// # Errors
/// [`Refused`], also when the URL has another form.
pub fn twilio(secrets: &[Secret], public_url: &str) -> Result<Scheme, Refused> {
    let urls = urls(public_url).ok_or(Refused::Parameters(
        "expected a URL such as https://hooks.example/webhooks/twilio, with a path and without user, query and fragment",
    ))?;
    match secrets.len() {
        0 => return Err(Refused::NoKey),
        1..=SECRETS => {}
        _ => return Err(Refused::TooManyKeys),
    }
    if let Some(empty) = secrets.iter().position(|secret| secret.expose().is_empty()) {
        return Err(Refused::Key(empty, KeyProblem::Empty));
    }
    let key = |secret: &Secret| MacKey::new(Algorithm::Sha1, secret.expose());
    let verifier =
        Twilio { signature: name("x-twilio-signature"), urls, keys: secrets.iter().map(key).collect() };
    // One of a request and its retries; not signed. There is no other: a call's or a message's id comes with each step of it.
    let id = IdRule::First(vec![in_header("i-twilio-idempotency-token")]);
    let proofs = vec![Proof::Header(name("x-twilio-signature"))];
    Ok(Scheme::new("twilio", verifier, Facts { id, proofs, ..Facts::default() }))
}

struct Twilio {
    signature: HeaderName,
    /// As it was configured, and with or without the port: Twilio has signed now the one and now the other.
    urls: [String; 2],
    keys: Vec<MacKey>,
}

impl Verifier for Twilio {
    fn verify(&self, request: &Request<'_>) -> Result<Verified, Unverified> {
        let line = header::one(request.headers, &self.signature, SIGNATURE_HEADER_BYTES)?;
        let got = Encoding::Base64.decode(line, Algorithm::Sha1.bytes()).ok_or_else(|| {
            header::malformed(&self.signature, "it holds no signature as the scheme writes them")
        })?;
        let fields = signed_fields(request).map_err(Unverified::Other)?;
        let mut tally = Tally::new();
        for (index, key) in self.keys.iter().enumerate() {
            let matched = self.urls.iter().fold(Choice::from(0), |matched, url| {
                matched | key.tag(&pieces(url, request.target, &fields)).matches(&got)
            });
            tally.note(index, matched);
        }
        tally.result()
    }

    /// None for a body that is no form unless its digest is in the query already: there is no header field for it.
    fn sign(&self, request: &Request<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let fields = signed_fields(request).ok()?;
        let mut text = String::new();
        let tag = self.keys.first()?.tag(&pieces(&self.urls[0], request.target, &fields));
        Encoding::Base64.write(&tag, &mut text);
        Some(vec![(self.signature.clone(), sensitive(text.as_bytes())?)])
    }

    /// A form's fields as they are put together for the signature: the same for all forms that it holds for.
    fn signed_body(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        let fields = signed_fields(request).ok().filter(|fields| !fields.is_empty())?;
        Some(fields.iter().flat_map(|(name, value)| [&**name, &**value]).collect::<Vec<_>>().concat())
    }
}

type Field<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The URL with the request's query, and the fields.
fn pieces<'a>(url: &'a str, target: &'a str, fields: &'a [Field<'a>]) -> Vec<&'a [u8]> {
    let query = target.find('?').map_or("", |at| &target[at..]);
    let fields = fields.iter().flat_map(|(name, value)| [&**name, &**value]);
    [url.as_bytes(), query.as_bytes()].into_iter().chain(fields).collect()
}

/// The fields that are signed with the URL: a form's, or none where the URL holds the body's digest.
///
/// # Errors
/// When the body is not what the digest says, or nothing covers it.
fn signed_fields<'a>(request: &Request<'a>) -> Result<Vec<Field<'a>>, &'static str> {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let mut digests =
        query.split('&').filter_map(|field| field.split_once('=')).filter(|(name, _)| *name == BODY_DIGEST);
    match (digests.next(), digests.next()) {
        (Some((_, digest)), None) => {
            let want = Sha256::digest(request.body);
            let got = Encoding::Hex.decode(digest.as_bytes(), want.len());
            let same = got.is_some_and(|got| got.as_slice().ct_eq(&want).into());
            if same { Ok(Vec::new()) } else { Err("the body is not what bodySHA256 says") }
        }
        (Some(_), Some(_)) => Err("bodySHA256 is in the query more than once"),
        _ if request.body.is_empty() => Ok(Vec::new()),
        _ if is_form(request.headers) => form(request.body),
        _ => Err("the body is no form, and the query has no bodySHA256 for it"),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else { return false };
    let essence = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(FORM)
}

/// A form's fields in the order of their names, then values, each pair once, as Twilio's libraries put them.
fn form(body: &[u8]) -> Result<Vec<Field<'_>>, &'static str> {
    let mut fields = Vec::new();
    for (name, value) in pairs(body) {
        if fields.len() == FORM_FIELDS {
            return Err("the form has more fields than are looked at");
        }
        let decode = |text| strict(text, Plus::Space).ok_or("the form is not encoded as forms are");
        fields.push((decode(name)?, decode(value)?));
    }
    fields.sort_unstable();
    fields.dedup();
    Ok(fields)
}

/// The URL as it is, and with the port of its kind added, or whichever it has removed.
fn urls(url: &str) -> Option<[String; 2]> {
    let (kind, rest) = url.split_once("://")?;
    let port = match kind {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/')?);
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@');
    if authority.is_empty() || !rest.bytes().all(plain) {
        return None;
    }
    // The colons of an address of IPv6 stand in brackets.
    let other = match authority.rsplit_once(':') {
        Some((host, digits)) if !digits.ends_with(']') => {
            digits.parse::<u16>().ok()?;
            if host.is_empty() {
                return None;
            }
            format!("{kind}://{host}{path}")
        }
        _ => format!("{kind}://{authority}:{port}{path}"),
    };
    Some([url.to_owned(), other])
}
