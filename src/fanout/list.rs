//! The list of streams, page by page, and the end of one by order: what the admin API shows of the fan-out.

use std::fmt;

use tokio::sync::oneshot;

use super::Fanout;
use super::command::{Command, ListOnly, ListRequest, Listed, Outcome};
use super::limits::LISTED;
use super::shard::ConnRef;

/// Names one stream: `<shard>-<key>-<generation>`, decimal. A later stream never has it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnId {
    pub(super) shard: u32,
    pub(super) conn: ConnRef,
}

impl ConnId {
    /// Reads the canonical text of an id; none for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('-').map(|n| n.parse::<u32>().ok());
        let (shard, key, generation) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let id = Self { shard, conn: ConnRef { key, generation } };
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.shard, self.conn.key, self.conn.generation)
    }
}

/// Where a page of streams begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListFrom {
    shard: usize,
    key: u32,
}

impl ListFrom {
    /// Reads what [`fmt::Display`] wrote, as it stood in a page.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (shard, key) = text.split_once('-')?;
        let from = Self { shard: shard.parse().ok()?, key: key.parse().ok()? };
        (from.to_string() == text).then_some(from)
    }
}

impl fmt::Display for ListFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.shard, self.key)
    }
}

impl Fanout {
    /// Up to `limit` streams (at most [`LISTED`]), of those that `only` says, and where the next page
    /// begins, if there may be one. Streams that come and go meanwhile may be in it or not; no other is left out or
    /// told twice.
    pub async fn list(
        &self,
        from: ListFrom,
        limit: usize,
        only: &ListOnly,
    ) -> (Vec<Listed>, Option<ListFrom>) {
        let limit = limit.clamp(1, LISTED);
        let (mut listed, mut at) = (Vec::new(), from);
        while let Some(shard) = self.shards.get(at.shard) {
            if listed.len() == limit {
                return (listed, Some(at));
            }
            let (answer, page) = oneshot::channel();
            let limit = limit - listed.len();
            shard.send(Command::List(ListRequest { from: at.key, limit, only: only.clone(), answer }));
            // A shard that does not answer has ended, and the process with it.
            let Ok(page) = page.await else { break };
            listed.extend(page.connections);
            at = match page.next {
                Some(key) => ListFrom { key, ..at },
                None => ListFrom { shard: at.shard + 1, key: 0 },
            };
        }
        (listed, None)
    }

    /// Ends one stream cleanly, as a drain would.
    pub async fn end(&self, id: ConnId) -> Outcome {
        let Some(shard) = self.shards.get(id.shard as usize) else { return Outcome::Unknown };
        let (answer, outcome) = oneshot::channel();
        shard.send(Command::End(id.conn, answer));
        outcome.await.unwrap_or(Outcome::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_its_canonical_form_alone() {
        let id = ConnId { shard: 1, conn: ConnRef { key: 22, generation: 333 } };
        assert_eq!(ConnId::parse(&id.to_string()), Some(id));
        for text in ["", "1-2", "1-2-3-4", "01-2-3", "+1-2-3", "1-2-", "a-b-c", "1-2-4294967296"] {
            assert_eq!(ConnId::parse(text), None, "{text}");
        }
        let from = ListFrom { shard: 1, key: 4096 };
        assert_eq!(ListFrom::parse(&from.to_string()), Some(from));
        assert_eq!(ListFrom::parse("1-04096"), None);
    }
}
