//! The words of the tests: a [`Gateway`] is the program, a [`Sender`] posts webhooks, a [`Subscriber`] listens.

mod app;
mod gateway;
mod http;
pub mod inside;
mod metrics;
pub mod provider;
mod sender;
mod stream;
mod subscriber;
pub mod token;

use std::future::Future;
use std::time::Duration;

pub use self::app::{App, answer as answer_as_app};
pub use self::gateway::{Gateway, run_to_end};
pub use self::http::{Answer, Connection, exchange, field, get, post};
pub use self::metrics::Metrics;
pub use self::sender::{Accepted, Sender};
pub use self::stream::{Block, End, Item};
pub use self::subscriber::{Request, Subscriber};

/// What a healthy machine needs a small part of. It only ends a test that would hang.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks at a state that nothing tells the end of.
const LOOK: Duration = Duration::from_millis(20);

/// Waits for `future`, and panics with `what` when [`PATIENCE`] is over.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(elapsed) => panic!("waited too long: {what}: {elapsed}"),
    }
}

/// Waits until `state` gives something.
pub async fn until<T>(what: &str, mut state: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(value) = state().await {
                return value;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await
}

/// Lets as many files be open as the system allows: the tests hold thousands of sockets.
pub fn raise_open_files() {
    let _ = sidestream::net::raise_open_files();
}
