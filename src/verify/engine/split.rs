//! From the signature's header field to signatures.

use http::HeaderMap;

use crate::verify::header;
use crate::verify::limits::{SIGNATURE_HEADER_BYTES, SIGNATURES};
use crate::verify::mac::Tag;
use crate::verify::request::Unverified;

use super::{Fields, Parameters, TimestampAt};

/// What the field holds.
pub(super) struct Found<'a> {
    /// The timestamp's text, where it stands there.
    pub(super) timestamp: Option<&'a [u8]>,
    /// The signatures.
    pub(super) candidates: Candidates,
}

/// Signatures that are to be compared, each with the number of its form.
pub(super) struct Candidates {
    list: [Option<(usize, Tag)>; SIGNATURES],
    count: usize,
}

impl Candidates {
    /// Those of one form.
    pub(super) fn of(&self, form: usize) -> impl Iterator<Item = &Tag> {
        self.list.iter().flatten().filter(move |(number, _)| *number == form).map(|(_, tag)| tag)
    }

    fn add(&mut self, form: usize, tag: Tag) -> Result<(), &'static str> {
        *self.list.get_mut(self.count).ok_or("it holds more signatures than are looked at")? =
            Some((form, tag));
        self.count += 1;
        Ok(())
    }
}

impl Parameters {
    /// Finds the signatures.
    ///
    /// # Errors
    /// When the field is missing, there twice, empty or too long, when it holds no signature that is written as the scheme
    /// writes them, or too many.
    pub(super) fn split<'a>(&self, headers: &'a HeaderMap, fields: &Fields) -> Result<Found<'a>, Unverified> {
        let line = header::one(headers, &fields.signature, SIGNATURE_HEADER_BYTES)?;
        self.split_line(line).map_err(|why| header::malformed(&fields.signature, why))
    }

    fn split_line<'a>(&self, line: &'a [u8]) -> Result<Found<'a>, &'static str> {
        let mut found =
            Found { timestamp: None, candidates: Candidates { list: [None; SIGNATURES], count: 0 } };
        // Without a separator no byte separates.
        for item in line.split(|byte| Some(*byte) == self.separator) {
            if let Some(text) = self.timestamp_item(item) {
                if found.timestamp.replace(text).is_some() {
                    return Err("it has two timestamps");
                }
                continue;
            }
            for (number, form) in self.forms.iter().enumerate() {
                // One that is not well written is as good as one that is wrong: of several, another may be right.
                let text = item.strip_prefix(form.prefix.as_bytes());
                if let Some(tag) = text.and_then(|text| self.encoding.decode(text, form.method.bytes())) {
                    found.candidates.add(number, tag)?;
                }
            }
        }
        if found.candidates.count == 0 {
            return Err("it holds no signature as the scheme writes them");
        }
        Ok(found)
    }

    fn timestamp_item<'a>(&self, item: &'a [u8]) -> Option<&'a [u8]> {
        match &self.timestamp.as_ref()?.at {
            TimestampAt::Item(prefix) => item.strip_prefix(prefix.as_bytes()),
            TimestampAt::Field => None,
        }
    }
}
