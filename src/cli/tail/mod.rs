//! `sidestream tail`: subscribes, and prints what comes, across lost connections.

mod backoff;
mod parse;
mod print;

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::config::OneLine;
use crate::event::Topic;

use super::args::Tail;
use super::request::{Request, Response};
use super::{Failure, complain};

use backoff::Backoff;
use parse::Parser;
use print::Printer;

/// Bytes of an error's body that are shown.
const SHOWN_BYTES: usize = 4096;

/// How long the head of an answer may take. The server answers a subscription at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream that lasted this long was worth its connection, even if nothing was published.
const HELD: Duration = Duration::from_secs(10);

/// Tails every topic on a connection of its own, until one of them is refused for good.
pub(super) async fn run(args: Tail) -> Result<(), Failure> {
    let printer = match args.topics.len() {
        _ if args.json => Printer::Json,
        1 => Printer::Plain,
        _ => Printer::WithTopic,
    };
    let mut tails = JoinSet::new();
    for topic in args.topics.clone() {
        let args = args.clone();
        tails.spawn(async move { follow(&args, &topic, printer).await });
    }
    while let Some(ended) = tails.join_next().await {
        ended??;
    }
    Ok(())
}

/// Tails one topic. Returns when the server says that there is nothing more (204), or refuses for good.
async fn follow(args: &Tail, topic: &Topic, printer: Printer) -> Result<(), Failure> {
    let mut parser = Parser::after(args.since.as_deref());
    let mut backoff = Backoff::default();
    loop {
        let (why, after) = match subscribe(args, topic, parser.last_id()).await {
            Ok(Answer::Stream(mut response)) => {
                parser = parser.resume();
                let began = Instant::now();
                let why = read(&mut response, &mut parser, topic, printer, &mut backoff).await?;
                if began.elapsed() >= HELD {
                    backoff.succeeded();
                }
                (why, None)
            }
            Ok(Answer::Later(why, after)) => (why, after),
            Ok(Answer::Nothing) => return Ok(()),
            Ok(Answer::Refused(why)) => return Err(why.into()),
            Err(failure) => (failure.to_string(), None),
        };
        let wait = backoff.next(after.or(parser.retry()));
        complain(&format_args!("{topic}: {why}; again in {:.1} s", wait.as_secs_f64()));
        tokio::time::sleep(wait).await;
    }
}

/// What came of asking for a stream.
enum Answer {
    /// It is there.
    Stream(Box<Response>),
    /// Not now, for this reason; the server may have said when.
    Later(String, Option<Duration>),
    /// There is nothing more: the standard has clients stop on 204.
    Nothing,
    /// Not now and not later.
    Refused(String),
}

async fn subscribe(args: &Tail, topic: &Topic, after: Option<&str>) -> Result<Answer, Failure> {
    let mut request = Request::get(&args.url, "/topics", topic.as_str())
        .header("Accept", "text/event-stream")
        .header("Cache-Control", "no-store");
    if let Some(id) = after {
        request = request.header("Last-Event-ID", id);
    }
    if let Some(token) = &args.token {
        request = request.header("Authorization", &format!("Bearer {token}"));
    }
    let sent = tokio::time::timeout(PATIENCE, request.send()).await;
    let mut response = sent.map_err(|_| format!("{} did not answer", args.url))??;
    let kind = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
    match response.status() {
        200 if kind.starts_with("text/event-stream") => Ok(Answer::Stream(Box::new(response))),
        204 => Ok(Answer::Nothing),
        status => {
            let seconds = response.header("retry-after").and_then(|value| value.trim().parse().ok());
            let body = tokio::time::timeout(PATIENCE, response.text(SHOWN_BYTES)).await;
            let body = body.ok().and_then(Result::ok).unwrap_or_default();
            let why = format!("{} answered {status}: {}", args.url, OneLine(body.trim()));
            let passing = matches!(status, 408 | 425 | 429 | 500..);
            Ok(if passing {
                Answer::Later(why, seconds.map(Duration::from_secs))
            } else {
                Answer::Refused(why)
            })
        }
    }
}

/// Prints a stream to its end, and says how it ended.
async fn read(
    response: &mut Response,
    parser: &mut Parser,
    topic: &Topic,
    printer: Printer,
    backoff: &mut Backoff,
) -> Result<String, Failure> {
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => {
                for event in parser.push(&bytes)? {
                    backoff.succeeded();
                    printer.print(topic, &event)?;
                }
            }
            Ok(None) => return Ok("the server ended the stream".into()),
            Err(failure) => return Ok(format!("the connection was lost: {failure}")),
        }
    }
}
