//! `sidestream publish`: posts one event.

use std::time::Duration;

use super::args::Publish;
use super::request::Request;
use super::{Failure, input, print_line};

/// Bytes of the answer that are printed.
const ANSWER_BYTES: usize = 1024 * 1024;

/// How long the whole exchange may take. The ingress bounds the body, and answers as soon as the log has it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Posts the event and prints the answer; an answer that is no success is a failure.
pub(super) async fn run(args: &Publish) -> Result<(), Failure> {
    let data = match &args.data {
        Some(data) => data.clone().into_bytes(),
        None => input::standard("the data")?,
    };
    let mut request = Request::post(&args.url, "/webhooks", args.topic.as_str(), data);
    if let Some(kind) = &args.kind {
        request = request.header("Sidestream-Event", kind.as_str());
    }
    if let Some(id) = &args.id {
        request = request.header("Sidestream-Id", id);
    }
    let exchange = async {
        let mut response = request.send().await?;
        let answer = response.text(ANSWER_BYTES).await?;
        Ok::<_, Failure>((response.status(), answer))
    };
    let Ok(exchanged) = tokio::time::timeout(PATIENCE, exchange).await else {
        return Err(format!("{} did not answer in {} s", args.url, PATIENCE.as_secs()).into());
    };
    let (status, answer) = exchanged?;
    if (200..300).contains(&status) {
        return print_line(answer.trim_end()).map_err(Into::into);
    }
    Err(format!("{} answered {status}: {}", args.url, answer.trim_end()).into())
}
