//! The 200 bytes that every contender is given as an event, and how they are recognised again.
//!
//! `^` + number (8 hex) + lane (2 hex) + time of sending in µs (8 hex) + a fixed filling. `^` occurs nowhere
//! else in any contender's stream (framing, ids, comments), so one `memchr` finds the next event; the filling is
//! compared byte for byte, so a corrupted event can't pass for a delivered one.

/// Length of an event's data in bytes: what a small JSON webhook weighs after mapping.
pub const LEN: usize = 200;
/// First byte of every event's data.
pub const MARK: u8 = b'^';
const HEAD: usize = 1 + 8 + 2 + 8;

static FILL: [u8; LEN] = {
    let mut fill = [0u8; LEN];
    let mut i = 0;
    while i < LEN {
        fill[i] = b'a' + (i % 26) as u8;
        i += 1;
    }
    fill
};

static HEX: [u8; 256] = {
    let mut table = [0xff_u8; 256];
    let digits = b"0123456789abcdef";
    let mut i = 0;
    while i < 16 {
        table[digits[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// What an event says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its number in the run, from 0 in order of sending.
    pub number: u32,
    /// The publishing connection; its events were sent one after the other's answer.
    pub lane: u8,
    /// When it was sent, in µs since the run's clock began.
    pub micros: u32,
}

impl Stamp {
    pub fn encode(self) -> [u8; LEN] {
        let mut data = FILL;
        data[0] = MARK;
        put(&mut data[1..9], self.number);
        put(&mut data[9..11], u32::from(self.lane));
        put(&mut data[11..HEAD], self.micros);
        data
    }

    /// `None` when one byte of `data` is not as sent. `data` is `LEN` long.
    pub fn decode(data: &[u8]) -> Option<Stamp> {
        if data[HEAD..] != FILL[HEAD..] {
            return None;
        }
        let number = get(&data[1..9])?;
        let lane = get(&data[9..11])? as u8;
        let micros = get(&data[11..HEAD])?;
        Some(Stamp { number, lane, micros })
    }
}

fn put(into: &mut [u8], value: u32) {
    let last = into.len() - 1;
    for (i, byte) in into.iter_mut().enumerate() {
        *byte = b"0123456789abcdef"[((value >> (4 * (last - i))) & 15) as usize];
    }
}

fn get(digits: &[u8]) -> Option<u32> {
    let (mut value, mut bad) = (0u32, 0u8);
    for &digit in digits {
        let nibble = HEX[digit as usize];
        bad |= nibble;
        value = value << 4 | u32::from(nibble & 15);
    }
    (bad < 16).then_some(value)
}
