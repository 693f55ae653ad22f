//! Tokens as an issuer makes them: each is for a subject of its own, so that none is like another.
//!
//! `keys/` holds private keys made for this bench with `openssl`, in DER: on P-256 in PKCS #8, and of RSA with 2048 bits in
//! PKCS #1. [`SETTINGS`] has what belongs to them.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};
use sidestream::jwt::{Algorithm, Checker, Jwks, Keys, Origin, Policy, sign};
use sidestream::secret::Secret;

use crate::Res;
use crate::selfcheck::ensure;

/// What the server is configured with. Each way of coming has a topic rule of its own. A token grants what its claim says,
/// and what is the subject's own.
pub const SETTINGS: &str = r#"
topics:
  - { name: public, match: "public.**", access: public }
  - { name: hs256, match: "hs256.**", access: jwt }
  - { name: es256, match: "es256.**", access: jwt }
  - { name: rs256, match: "rs256.**", access: jwt }
auth:
  jwt:
    algorithms: [HS256, ES256, RS256]
    issuer: https://id.example/
    audience: sidestream
    allow: ["users.{sub}.**"]
    keys:
      - { kid: hs256, secret: "a secret between this bench and its server" }
      - jwks: '{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"es256","x":"IXPjtH9fA5o8j-BObkPPFmD3vmVlXrfFGqwaIQv_h_M","y":"HRLaJoDigxumqnro6VplsL0q0mQh_heOaWG9kxjrj_E"},{"kty":"RSA","alg":"RS256","kid":"rs256","e":"AQAB","n":"tp3IuN1Z2mlaiI4v1_vPJbLAiCFhrn55TFVhSLklKWepArx9-fS5-kXhzbYFX4j1v6t8tllgadQOZTuILz9StsQVAGXnf7SJds8wwjT3Yc8DEbUvT4PsvEor_VYImffKXaGW1dwfoYawbgfilmhF392Ne9vJwY5yXDJabkzBO6ZpzUmu0NdHWaiEEwsGRNOLHl6ynoOfl8_4jPqNZL0wYfyNmtkKaZdFqHKVT9HZsXjXBPXjjUgYWCxNgoY858NQgRA9cbdBTdaLt_olvdqycOcer0Rm81jaH70Aj3CnLg17Or8urvKbTZP_YUWK190llO00rl6KXdv86MaehreAow"}]}'
"#;

const SECRET: &str = "a secret between this bench and its server";
const ES256: &[u8] = include_bytes!("keys/es256.der");
const RS256: &[u8] = include_bytes!("keys/rs256.der");

/// For longer than any call runs.
const LIFETIME: u64 = 24 * 3600;

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    Hs256,
    Es256,
    Rs256,
}

/// Makes a token of claims.
type Sign = Box<dyn Fn(&Map<String, Value>) -> Res<String>>;

impl Signed {
    pub const ALL: [Signed; 3] = [Signed::Hs256, Signed::Es256, Signed::Rs256];

    /// Also the `kid` of its key.
    pub fn name(self) -> &'static str {
        match self {
            Signed::Hs256 => "hs256",
            Signed::Es256 => "es256",
            Signed::Rs256 => "rs256",
        }
    }

    /// A token of each of the subjects for `topic`.
    pub fn tokens(self, topic: &str, subjects: Range<usize>) -> Res<Vec<String>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let sign = self.signer();
        subjects.map(|subject| sign(&claims(topic, subject, now))).collect()
    }

    fn signer(self) -> Sign {
        let (algorithm, key) = match self {
            Signed::Hs256 => {
                let secret = Secret::new(SECRET.as_bytes());
                return Box::new(move |claims| {
                    Ok(sign(Algorithm::Hs256, &secret, Some(self.name()), claims)?)
                });
            }
            Signed::Es256 => (jsonwebtoken::Algorithm::ES256, EncodingKey::from_ec_der(ES256)),
            Signed::Rs256 => (jsonwebtoken::Algorithm::RS256, EncodingKey::from_rsa_der(RS256)),
        };
        let header = Header { kid: Some(self.name().to_owned()), ..Header::new(algorithm) };
        Box::new(move |claims| Ok(jsonwebtoken::encode(&header, claims, &key)?))
    }
}

/// What providers of identities put into an access token, in short.
fn claims(topic: &str, subject: usize, now: u64) -> Map<String, Value> {
    let all = json!({
        "iss": "https://id.example/",
        "aud": "sidestream",
        "sub": format!("user-{subject}"),
        "jti": format!("{subject:032x}"),
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "scope": "openid profile",
        "topics": [topic],
    });
    all.as_object().cloned().unwrap_or_default()
}

/// Own check: the keys belong together, and no two tokens are the same.
pub fn check() -> Res<()> {
    let mut keys = Keys::secret(&Secret::new(SECRET.as_bytes()), Some("hs256".into()));
    let jwks = SETTINGS.split('\'').nth(1).unwrap_or_default();
    keys.append(Jwks::parse(jwks.as_bytes(), Origin::File)?.keys);
    let policy = Policy { audiences: vec!["sidestream".into()], ..Policy::new(Algorithm::ALL.into()) };
    let checker = Checker::new(policy, keys, None);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    ensure(SETTINGS.contains(SECRET), "the secret")?;
    for signed in Signed::ALL {
        let [one, other] = &signed.tokens("a", 0..2)?[..] else { return Err("two tokens".into()) };
        ensure(one != other, "each subject has its own token")?;
        for token in [one, other] {
            checker.check(token, sidestream::event::Millis(now))?;
        }
    }
    Ok(())
}
