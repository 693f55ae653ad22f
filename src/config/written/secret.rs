//! Secrets: where they are, and how they are fetched.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::check::Check;
use crate::config::source::read_bounded;
use crate::secret::Secret;

use super::{EXPECTED, SECRET};

/// Bytes of a secret file. Keys and tokens are far smaller; a wrong path must not fill the memory.
const SECRET_BYTES: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum SecretSource {
    /// In an environment variable.
    Env {
        /// Its name.
        env: String,
    },
    /// In a file, which is read again when it changes.
    File {
        /// Its path; a relative one starts at the configuration's folder.
        file: PathBuf,
    },
    /// In the configuration itself.
    #[serde(deserialize_with = "literal")]
    Literal(Secret),
}

fn literal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(|text| Secret::new(text.into_bytes()))
}

/// Shows where a secret is, never what it is.
impl Serialize for SecretSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Env { env } => serializer.collect_str(&format_args!("{{env: {env}}}")),
            Self::File { file } => serializer.collect_str(&format_args!("{{file: {}}}", file.display())),
            Self::Literal(_) => serializer.serialize_str("(secret)"),
        }
    }
}

impl JsonSchema for SecretSource {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let object = |key: &str| {
            serde_json::json!({
                "type": "object",
                "properties": { key: { "type": "string", "minLength": 1 } },
                "required": [key],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "anyOf": [object("env"), object("file"), { "type": "string", "minLength": 1 }],
            EXPECTED: "{env: NAME}, {file: PATH} or the secret itself as text",
            SECRET: true,
        })
    }
}

/// What secrets are resolved against.
pub(crate) struct Environment<'a> {
    /// The environment's variables.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Where relative paths start.
    pub folder: &'a Path,
}

impl SecretSource {
    /// The file to watch, if it is one.
    pub(crate) fn path(&self, environment: &Environment<'_>) -> Option<PathBuf> {
        match self {
            Self::File { file } => Some(environment.folder.join(file)),
            _ => None,
        }
    }

    /// Fetches the secret that is written at `key`, and reports what is wrong or unwise about it.
    pub(in crate::config) fn fetch(
        &self,
        key: &str,
        check: &mut Check<'_>,
        environment: &Environment<'_>,
    ) -> Option<Secret> {
        if let Self::Literal(_) = self {
            let advice =
                "a secret in the file itself; {env: NAME} or {file: PATH} keeps it out of version control";
            check.warn(&[key], advice);
        }
        self.resolve(environment).map_err(|why| check.refuse(key, why)).ok()
    }

    /// Fetches the secret.
    ///
    /// # Errors
    /// Says what is missing; never shows the secret.
    pub(crate) fn resolve(&self, environment: &Environment<'_>) -> Result<Secret, String> {
        let bytes = match self {
            Self::Literal(secret) => return Ok(secret.clone()),
            // A name with `=` or NUL cannot be set; asking for it may panic.
            Self::Env { env } if env.contains(['=', '\0']) => {
                return Err(format!("expected the name of an environment variable; got {env:?}"));
            }
            Self::Env { env } => match (environment.variable)(env) {
                Some(value) => value.into_vec(),
                None => return Err(format!("the environment variable {env} is not set")),
            },
            Self::File { file } => {
                let path = environment.folder.join(file);
                read_bounded(&path, SECRET_BYTES).map_err(|why| format!("{}: {why}", path.display()))?
            }
        };
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() { Err("the secret is empty".into()) } else { Ok(Secret::new(line)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolved_from_each_place_or_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hush\r\n").unwrap();
        std::fs::write(folder.path().join("two"), "a\n\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        std::fs::write(folder.path().join("huge"), vec![b'x'; 65_537]).unwrap();
        let variable = |name: &str| (name == "SET").then(|| OsString::from("loud"));
        let environment = Environment { variable: &variable, folder: folder.path() };
        let file = |name: &str| SecretSource::File { file: name.into() }.resolve(&environment);
        let env = |name: &str| SecretSource::Env { env: name.into() }.resolve(&environment);

        assert_eq!(file("token"), Ok(Secret::new(*b"hush")));
        assert_eq!(file("two"), Ok(Secret::new(*b"a\n")), "one newline is cut, no more");
        assert_eq!(env("SET"), Ok(Secret::new(*b"loud")));
        assert_eq!(env("UNSET").unwrap_err(), "the environment variable UNSET is not set");
        assert!(env("A=B").unwrap_err().starts_with("expected the name"));
        assert_eq!(file("empty").unwrap_err(), "the secret is empty");
        assert!(file("huge").unwrap_err().contains("at most 65536 bytes"));
        assert!(file("missing").unwrap_err().contains("No such file"));
    }

    #[test]
    fn never_shown() {
        let literal: SecretSource = serde_json::from_str("\"hush\"").unwrap();
        assert_eq!(literal, SecretSource::Literal(Secret::new(*b"hush")));
        assert_eq!(serde_json::to_string(&literal).unwrap(), "\"(secret)\"");
        assert!(!format!("{literal:?}").contains("hush"));
    }
}
