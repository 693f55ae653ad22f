//! As much of HTTP/1.1's answers as the harness must understand to be sure of what it counts.
//!
//! Both parsers are incremental and hand out slices of their input: nothing is copied on the way to the scanner.

use crate::Res;

/// A response head longer than this is not one of ours.
const HEAD_MAX: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Chunked,
    Length(u64),
    UntilClose,
}

#[derive(Debug)]
pub struct Head {
    pub status: u16,
    pub framing: Framing,
}

/// Collects a response head; bytes after it are returned as the beginning of the body.
#[derive(Default)]
pub struct HeadReader {
    seen: Vec<u8>,
}

impl HeadReader {
    pub fn feed<'a>(&mut self, input: &'a [u8]) -> Res<Option<(Head, &'a [u8])>> {
        let before = self.seen.len();
        self.seen.extend_from_slice(input);
        let Some(end) = memchr::memmem::find(&self.seen, b"\r\n\r\n") else {
            if self.seen.len() > HEAD_MAX {
                return Err("response head too long".into());
            }
            return Ok(None);
        };
        let head = parse(&self.seen[..end])?;
        self.seen = Vec::new();
        Ok(Some((head, &input[end + 4 - before..])))
    }
}

fn parse(head: &[u8]) -> Res<Head> {
    let text = std::str::from_utf8(head)?;
    let mut lines = text.split("\r\n");
    let status: u16 = lines.next().and_then(|l| l.split(' ').nth(1)).ok_or("no status line")?.parse()?;
    let mut framing = if status == 204 { Framing::Length(0) } else { Framing::UntilClose };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked") {
            framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case("content-length") && framing != Framing::Chunked {
            framing = Framing::Length(value.trim().parse()?);
        }
    }
    Ok(Head { status, framing })
}

#[derive(Clone, Copy)]
enum Step {
    Size {
        value: u64,
        digits: u8,
    },
    Extension {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataEnd {
        cr: bool,
    },
    /// After the last chunk: the bytes seen of the empty line that ends it (no trailers are expected).
    Last {
        seen: u8,
    },
    Done,
}

/// A response body without its framing.
pub struct Body {
    framing: Framing,
    step: Step,
}

impl Body {
    pub fn new(framing: Framing) -> Body {
        let step = match framing {
            Framing::Length(0) => Step::Done,
            Framing::Length(left) => Step::Data { left },
            Framing::UntilClose => Step::Data { left: u64::MAX },
            Framing::Chunked => Step::Size { value: 0, digits: 0 },
        };
        Body { framing, step }
    }

    pub fn is_done(&self) -> bool {
        matches!(self.step, Step::Done)
    }

    /// Takes `input` apart; `sink` gets the body's bytes in order. Bytes past the end of the body are an error.
    pub fn feed(&mut self, mut input: &[u8], mut sink: impl FnMut(&[u8]) -> Res<()>) -> Res<()> {
        while let Some(&first) = input.first() {
            match &mut self.step {
                Step::Data { left } => {
                    let take = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    sink(&input[..take])?;
                    *left -= take as u64;
                    input = &input[take..];
                    if *left == 0 {
                        self.step = match self.framing {
                            Framing::Chunked => Step::DataEnd { cr: false },
                            _ => Step::Done,
                        };
                    }
                    continue;
                }
                Step::Size { value, digits } => match (first as char).to_digit(16) {
                    Some(digit) if *digits < 15 => {
                        *value = *value << 4 | u64::from(digit);
                        *digits += 1;
                    }
                    None if *digits > 0 && matches!(first, b'\r' | b';') => {
                        self.step = Step::Extension { value: *value };
                    }
                    _ => return Err(format!("bad chunk size byte {first:#x}").into()),
                },
                Step::Extension { value } if first == b'\n' => {
                    self.step = match *value {
                        0 => Step::Last { seen: 0 },
                        left => Step::Data { left },
                    };
                }
                Step::Extension { .. } => {}
                Step::DataEnd { cr } => match (first, *cr) {
                    (b'\r', false) => *cr = true,
                    (b'\n', true) => self.step = Step::Size { value: 0, digits: 0 },
                    _ => return Err("a chunk is not followed by CR LF".into()),
                },
                Step::Last { seen } => match (first, *seen) {
                    (b'\r', 0) => *seen = 1,
                    (b'\n', 1) => self.step = Step::Done,
                    _ => return Err("trailers are not expected".into()),
                },
                Step::Done => return Err("bytes after the end of a response".into()),
            }
            input = &input[1..];
        }
        Ok(())
    }
}
