//! What a sender would send: for a dry run, and for tests of those who receive.

use http::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use crate::octets::write_hex;
use crate::verify::header::sensitive;
use crate::verify::request::Request;

use super::{Engine, Fields, Key, Part, TimestampAt};

/// Bytes of the digest that an id is made of: enough that no two requests of a test share one.
const ID_BYTES: usize = 12;

impl Engine {
    /// The fields of a signed request, by the first of the keys that can sign. The id is the request's own if it has one,
    /// else made of its body and time; other header fields that are signed must be there.
    pub(super) fn signed(&self, request: &Request<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let keys = self.keys.iter().zip(&self.parameters.forms);
        let mine = keys.flat_map(|(keys, form)| {
            keys.iter().filter_map(move |(secret, key)| match key {
                Key::Shared(key) => Some((*secret, key, form)),
                Key::Public(_) => None,
            })
        });
        let (_, key, form) = mine.min_by_key(|(secret, ..)| *secret)?;

        let fields = &self.parameters.fields[0];
        let mut signed = Vec::new();
        let mut headers = request.headers.clone();
        if let Some(name) = self.signed_id(fields) {
            let id = match headers.get(name) {
                Some(id) => id.clone(),
                None => made_up_id(request),
            };
            headers.insert(name, id.clone());
            signed.push((name.clone(), id));
        }
        let time = self.parameters.timestamp.as_ref().map(|timestamp| timestamp.unit.write(request.received));
        let mut line = String::new();
        if let (Some(timestamp), Some(time)) = (&self.parameters.timestamp, &time) {
            match &timestamp.at {
                TimestampAt::Field => {
                    let value = HeaderValue::from_str(time).ok()?;
                    signed.push((fields.timestamp.clone()?, value));
                }
                TimestampAt::Item(prefix) => {
                    line = format!("{prefix}{time}");
                    line.push(char::from(self.parameters.separator?));
                }
            }
        }
        let request = Request { headers: &headers, ..*request };
        let pieces = self.parameters.pieces(&request, fields, time.as_deref().map(str::as_bytes)).ok()?;
        line.push_str(&form.prefix);
        self.parameters.encoding.write(&key.tag(pieces.all()), &mut line);
        signed.push((fields.signature.clone(), sensitive(line.as_bytes())?));
        Some(signed)
    }

    /// The field of the id, if it is signed.
    fn signed_id<'a>(&self, fields: &'a Fields) -> Option<&'a HeaderName> {
        if self.parameters.signed.contains(&Part::Id) { fields.id.as_ref() } else { None }
    }
}

fn made_up_id(request: &Request<'_>) -> HeaderValue {
    let digest =
        Sha256::new().chain_update(request.received.0.to_be_bytes()).chain_update(request.body).finalize();
    let mut id = "msg_".to_owned();
    write_hex(&digest[..ID_BYTES], &mut id);
    HeaderValue::try_from(id).expect("hexadecimal digits are a header field's value")
}
