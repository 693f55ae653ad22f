//! What a list is asked for: which part of it, how much, and from where on.

use crate::net::http::form;

/// Rows of a page when nothing is said, and at most.
const LIMIT: usize = 100;
pub(super) const LIMIT_MOST: usize = 1000;

/// The query of a list. Parameters that are not known are left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageQuery<const N: usize> {
    /// Rows at most, 1 to [`LIMIT_MOST`].
    pub limit: Option<usize>,
    /// What the last page gave as `next`.
    pub after: Option<String>,
    /// What the list is narrowed by, in the order that was asked for: `prefix=`, or `topic=` and `subject=`.
    pub narrowed: [Option<String>; N],
}

/// What is wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("limit is a number from 1 to {LIMIT_MOST}")]
    Limit,
    #[error("after is what the last page gave as `next`")]
    After,
    #[error("{0} is not percent-encoded text")]
    Encoding(&'static str),
    #[error("{0} comes twice")]
    Twice(&'static str),
    #[error("topic is not a topic: {0}")]
    Topic(#[from] crate::event::NameError),
}

impl<const N: usize> PageQuery<N> {
    /// Reads a query, `narrowing` being the parameters that narrow this list.
    pub(super) fn read(query: &str, narrowing: [&'static str; N]) -> Result<Self, QueryError> {
        let mut page = Self { limit: None, after: None, narrowed: [const { None }; N] };
        for (name, value) in form::pairs(query.as_bytes()) {
            let text = |name| form::text(value).map_err(|_| QueryError::Encoding(name));
            match name.as_str() {
                "limit" => {
                    let number = text("limit")?.parse().ok().filter(|n| (1..=LIMIT_MOST).contains(n));
                    put(&mut page.limit, "limit", number.ok_or(QueryError::Limit)?)?;
                }
                "after" => put(&mut page.after, "after", text("after")?)?,
                name => {
                    if let Some(at) = narrowing.iter().position(|&known| known == name) {
                        put(&mut page.narrowed[at], narrowing[at], text(narrowing[at])?)?;
                    }
                }
            }
        }
        Ok(page)
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT)
    }
}

fn put<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), QueryError> {
    if place.replace(value).is_some() { Err(QueryError::Twice(name)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_by_table() {
        let read = |query| PageQuery::read(query, ["prefix"]);
        assert_eq!(read("").map(|page| page.limit()), Ok(100));
        let page = read("limit=1000&after=a%2E1&prefix=or+d&other=1").unwrap();
        assert_eq!((page.limit(), page.after.as_deref()), (1000, Some("a.1")));
        assert_eq!(page.narrowed[0].as_deref(), Some("or d"));
        for query in ["limit=0", "limit=1001", "limit=", "limit=x", "limit=-1"] {
            assert_eq!(read(query), Err(QueryError::Limit), "{query}");
        }
        assert_eq!(read("after=%zz"), Err(QueryError::Encoding("after")));
        assert_eq!(read("prefix=a&prefix=b"), Err(QueryError::Twice("prefix")));
    }
}
