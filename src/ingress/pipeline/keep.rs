//! What a delivery's events keep in memory: their own bytes, and room for them.
//!
//! History counts an event by its data. But a line, an element or a `CloudEvent`'s data is cut out of the body, and a slice
//! keeps all of what it was cut from for as long as it lives: a thousand lines that went to a thousand topics would keep
//! their body until the last of them is gone, and a short one of a large body all of it. So what is not nearly its body is
//! copied, once for all events that have the same. Whatever is not a part of the body has its room in the budget of bodies.

use std::cell::{Cell, RefCell};

use bytes::Bytes;

use crate::content::Room;
use crate::event::Event;
use crate::ingress::outcome::Refusal;
use crate::net::http::BodyError;

/// The part of a body that an event may keep without having it: one in so many of its bytes. Less would copy the data of
/// every `CloudEvent`, whose attributes are a few hundred bytes around it.
const SLACK: usize = 8;

/// What a delivery holds.
pub(super) struct Keep<'a> {
    room: &'a Room<'a>,
    /// Its body as it came and as it was unpacked, which both have their room.
    bodies: [Bytes; 2],
    /// Room that was taken for what was made besides.
    paid: Cell<usize>,
    /// The newest slice that was copied, and its copy.
    copied: RefCell<Option<(Bytes, Bytes)>>,
}

impl<'a> Keep<'a> {
    pub(super) fn new(room: &'a Room<'a>, came: Bytes, unpacked: Bytes) -> Self {
        Self { room, bodies: [came, unpacked], paid: Cell::new(0), copied: RefCell::new(None) }
    }

    /// The same data as an event may keep it: by itself, or as nearly all of a body.
    ///
    /// # Errors
    /// [`BodyError::Busy`], when there is no room for it.
    pub(super) fn alone(&self, data: Bytes) -> Result<Bytes, Refusal> {
        match self.body_of(&data) {
            Some(body) if data.len() >= body.len() - body.len() / SLACK => Ok(data),
            Some(_) => self.copy(data),
            None => {
                self.pay(data.len())?;
                Ok(data)
            }
        }
    }

    /// The same for events that went through a program's own steps, which may have cut and made what they like.
    pub(super) fn settle(&self, events: &mut [Event]) -> Result<(), Refusal> {
        let (mut made, mut last) = (0, None);
        for event in events {
            if self.body_of(&event.data).is_some() {
                event.data = self.alone(std::mem::take(&mut event.data))?;
            }
            // Those that share their data stand next to one another.
            if self.body_of(&event.data).is_none() && last != Some(event.data.as_ptr_range()) {
                made += event.data.len();
            }
            last = Some(event.data.as_ptr_range());
        }
        self.pay(made.saturating_sub(self.paid.get()))
    }

    fn copy(&self, slice: Bytes) -> Result<Bytes, Refusal> {
        let mut copied = self.copied.borrow_mut();
        if let Some((of, copy)) = &*copied
            && of.as_ptr_range() == slice.as_ptr_range()
        {
            return Ok(copy.clone());
        }
        self.pay(slice.len())?;
        let copy = Bytes::copy_from_slice(&slice);
        *copied = Some((slice, copy.clone()));
        Ok(copy)
    }

    /// Room for so many bytes more.
    fn pay(&self, bytes: usize) -> Result<(), Refusal> {
        if !(self.room)(bytes) {
            return Err(Refusal::Body(BodyError::Busy));
        }
        self.paid.set(self.paid.get() + bytes);
        Ok(())
    }

    /// The body that data is a part of.
    fn body_of(&self, data: &Bytes) -> Option<&Bytes> {
        self.bodies.iter().find(|body| body.as_ptr_range().contains(&data.as_ptr()))
    }
}
