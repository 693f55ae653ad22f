//! A stream's bytes, read strictly: chunks as RFC 9112 §7.1 has them, and blocks as the contract does. Pure.

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A comment line, without its LF.
    Comment(String),
    Block(Block),
}

/// Some fields and the blank line that ends them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// As it came, blank line included.
    pub raw: String,
    pub retry: Option<u64>,
    pub id: Option<String>,
    pub event: Option<String>,
    /// Its lines, joined with LF.
    pub data: Option<String>,
}

impl Block {
    /// The data of a gap.
    pub fn gap(&self) -> serde_json::Value {
        assert_eq!(self.event.as_deref(), Some("sidestream.gap"), "{self:?}");
        serde_json::from_str(self.data.as_deref().unwrap()).unwrap()
    }

    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_else(|| panic!("no id: {self:?}"))
    }

    pub fn data(&self) -> &str {
        self.data.as_deref().unwrap_or_else(|| panic!("no data: {self:?}"))
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The body's end was told, and the connection closed without a reset.
    Clean,
    /// The connection closed, but the body's end was not told.
    Cut,
    /// A reset.
    Reset,
}

/// How the body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Chunked,
    Close,
}

/// Takes the framing off.
pub struct Body {
    framing: Framing,
    /// Not yet understood.
    raw: Vec<u8>,
    /// Behind the last chunk.
    pub ended: bool,
}

impl Body {
    pub fn new(framing: Framing) -> Self {
        Self { framing, raw: Vec::new(), ended: false }
    }

    /// Takes bytes, and adds what they hold of the body to `to`.
    pub fn take(&mut self, bytes: &[u8], to: &mut Vec<u8>) {
        if self.framing == Framing::Close {
            return to.extend_from_slice(bytes);
        }
        self.raw.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(used) = self.chunk(at, to) {
            at += used;
        }
        self.raw.drain(..at);
        assert!(!self.ended || self.raw.is_empty(), "bytes behind the last chunk: {:?}", lossy(&self.raw));
    }

    /// One whole chunk at `at`: its length with its framing.
    fn chunk(&mut self, at: usize, to: &mut Vec<u8>) -> Option<usize> {
        let rest = &self.raw[at..];
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        assert!(!size.is_empty() && size.bytes().all(|b| b.is_ascii_hexdigit()), "a chunk's size: {size:?}");
        let size = usize::from_str_radix(size, 16).unwrap();
        let end = line + 2 + size;
        let closing = rest.get(end..end + 2)?;
        assert_eq!(closing, b"\r\n", "a chunk's end");
        assert!(!self.ended, "a chunk behind the last one");
        self.ended = size == 0;
        to.extend_from_slice(&rest[line + 2..end]);
        Some(end + 2)
    }

    /// Whether all that was taken was whole, and the end was told as this framing does.
    pub fn is_complete(&self) -> bool {
        self.raw.is_empty() && (self.ended || self.framing == Framing::Close)
    }
}

/// Cuts the next item off a body. `\n` alone ends lines: the server writes no other end.
pub fn next_item(body: &mut Vec<u8>, looked: &mut usize) -> Option<Item> {
    if body.first() == Some(&b':') {
        let end = body.iter().position(|&b| b == b'\n')?;
        let line: Vec<u8> = body.drain(..=end).collect();
        *looked = 0;
        return Some(Item::Comment(text(&line[..end])));
    }
    assert_ne!(
        body.first(),
        Some(&b'\n'),
        "a blank line without fields is an empty event to several parsers"
    );
    let from = looked.saturating_sub(1);
    let Some(end) = memchr::memmem::find(&body[from..], b"\n\n").map(|at| at + from) else {
        *looked = body.len();
        return None;
    };
    let raw: Vec<u8> = body.drain(..end + 2).collect();
    *looked = 0;
    Some(Item::Block(block(text(&raw))))
}

fn block(raw: String) -> Block {
    let mut block = Block::default();
    for line in raw.trim_end_matches('\n').split('\n') {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("not a field: {line:?}"));
        assert!(!value.contains('\r'), "{line:?}");
        let once = |field: &mut Option<String>| {
            assert!(field.replace(value.to_owned()).is_none(), "twice: {raw:?}");
        };
        match name {
            "id" => once(&mut block.id),
            "event" => once(&mut block.event),
            "retry" => assert!(block.retry.replace(value.parse().unwrap()).is_none(), "twice: {raw:?}"),
            "data" => match &mut block.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => block.data = Some(value.to_owned()),
            },
            other => panic!("a field that is not ours: {other:?}"),
        }
    }
    block.raw = raw;
    block
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| panic!("not UTF-8: {:?}", lossy(bytes)))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
}

#[test]
fn chunks_and_blocks_come_in_any_pieces() {
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let blocks = ["retry: 1\nid: a\n\n", ":\n", "id: b\ndata: x\ndata: \u{e9}y\n\n"];
    let wire = blocks.map(chunk).concat() + "0\r\n\r\n";
    for size in 1..wire.len() {
        let (mut body, mut plain, mut looked) = (Body::new(Framing::Chunked), Vec::new(), 0);
        let mut items = Vec::new();
        for piece in wire.as_bytes().chunks(size) {
            body.take(piece, &mut plain);
            items.extend(std::iter::from_fn(|| next_item(&mut plain, &mut looked)));
        }
        assert!(body.is_complete() && plain.is_empty());
        assert_eq!(items.len(), 3);
        assert_eq!(items[1], Item::Comment(":".into()));
        let Item::Block(last) = &items[2] else { panic!("{items:?}") };
        assert_eq!((last.id(), last.data()), ("b", "x\néy"));
    }
}
