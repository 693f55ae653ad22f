//! The pieces of one request that are signed.

use http::HeaderName;

use crate::verify::header;
use crate::verify::limits::{PARTS, SIGNED_HEADER_BYTES};
use crate::verify::request::{Request, Unverified};

use super::{Fields, Parameters, Part};

/// What is signed, piece by piece, without a copy.
pub(super) struct Pieces<'a> {
    pieces: [&'a [u8]; PARTS],
    count: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn all(&self) -> &[&'a [u8]] {
        &self.pieces[..self.count]
    }
}

impl Parameters {
    /// Takes the pieces from the request.
    ///
    /// # Errors
    /// When a header field is missing, or holds what could shift the pieces against each other: an id with a `.` where
    /// `.` stands behind the id.
    pub(super) fn pieces<'a>(
        &'a self,
        request: &Request<'a>,
        fields: &'a Fields,
        timestamp: Option<&'a [u8]>,
    ) -> Result<Pieces<'a>, Unverified> {
        let mut pieces = Pieces { pieces: [b""; PARTS], count: self.signed.len() };
        for (index, (part, piece)) in self.signed.iter().zip(&mut pieces.pieces).enumerate() {
            *piece = match part {
                Part::Literal(text) => text.as_bytes(),
                Part::Body => request.body,
                // Digits, as has been checked; no fence is a digit.
                Part::Timestamp => timestamp.unwrap_or_default(),
                Part::Id => self.field(request, fields.id.as_ref().unwrap_or(&fields.signature), index)?,
                Part::Header(name) => self.field(request, name, index)?,
                Part::Method => {
                    let text = request.method.as_str().as_bytes();
                    self.fenced(text, index).ok_or(Unverified::Other("the method holds what ends it"))?
                }
                Part::Target => {
                    let text = request.target.as_bytes();
                    self.fenced(text, index).ok_or(Unverified::Other("the URL holds what ends it"))?
                }
            };
        }
        Ok(pieces)
    }

    fn field<'a>(
        &self,
        request: &Request<'a>,
        name: &HeaderName,
        index: usize,
    ) -> Result<&'a [u8], Unverified> {
        let text = header::one(request.headers, name, SIGNED_HEADER_BYTES)?;
        self.fenced(text, index)
            .ok_or_else(|| header::malformed(name, "it holds what stands behind it in the signed text"))
    }

    /// The value, if what ends it is not part of it.
    fn fenced<'a>(&self, text: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let fence = self.fence(index)?;
        (!text.contains(&fence)).then_some(text)
    }
}
