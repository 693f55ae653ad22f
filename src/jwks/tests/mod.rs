//! When key sets are fetched, and what is taken of them.

mod fetched;
mod kept;
mod shared;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::fetch::{Fetch, FetchError, Fetched};
use super::{Metrics, Registry};
use crate::event::Millis;
use crate::jwt::{Algorithm, Checker, Jwks, JwksUrl, Keys, Origin, Policy, Remote};

/// When the fixtures' tokens are good.
const NOW: Millis = Millis(1_700_000_060_000);
/// The lifetime of what [`Script`] brings.
const LIFETIME: Duration = Duration::from_mins(5);
/// Nobody waits that long: it is where a test gives up.
const SOON: Duration = Duration::from_secs(30);

const JWKS: &str = include_str!("../../../tests/data/jwt/jwks.json");
const TOKENS: &str = include_str!("../../../tests/data/jwt/tokens.txt");

/// The fixtures' set, as far as it is of these keys.
fn set(kids: &[&str]) -> String {
    let mut set: serde_json::Value = serde_json::from_str(JWKS).unwrap();
    set["keys"].as_array_mut().unwrap().retain(|key| kids.iter().any(|kid| key["kid"] == *kid));
    set.to_string()
}

fn token(kid: &str) -> &'static str {
    TOKENS.lines().find(|line| line.starts_with(&format!("{kid} "))).unwrap().rsplit(' ').next().unwrap()
}

fn checker(remote: &Arc<Remote>) -> Checker {
    let policy = Policy { audiences: vec!["sidestream".into()], ..Policy::new(Algorithm::ALL.to_vec()) };
    Checker::new(policy, Keys::default(), Some(Arc::clone(remote)))
}

fn url(text: &str) -> JwksUrl {
    text.parse().unwrap()
}

fn remote(text: &str) -> Arc<Remote> {
    Arc::new(Remote::new(url(text)))
}

fn metrics() -> Metrics {
    Metrics::register(&prometheus::Registry::new()).unwrap()
}

/// A provider of whom it is written what comes when it is asked: then and of which URL is noted.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<(Instant, String)>>,
}

/// What it says. When nothing more is written it says the last again.
#[derive(Clone)]
enum Answer {
    Keys(&'static [&'static str]),
    Down,
    Panic,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() })
    }

    /// What comes from now on.
    fn then(&self, answer: Answer) {
        *self.answers.lock().unwrap() = [answer].into();
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// The time between each time it was asked and the next.
    fn pauses(&self) -> Vec<Duration> {
        let asked = self.asked.lock().unwrap();
        asked.windows(2).map(|two| two[1].0 - two[0].0).collect()
    }

    /// Waits until it has been asked so often.
    async fn asked(&self, times: usize) {
        while self.count() < times {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What it said is taken.
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl Fetch for Script {
    async fn fetch(&self, url: &JwksUrl) -> Result<Fetched, FetchError> {
        self.asked.lock().unwrap().push((Instant::now(), url.whole()));
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
        };
        match answer.unwrap() {
            Answer::Keys(kids) => {
                let jwks = Jwks::parse(set(kids).as_bytes(), Origin::Url).unwrap();
                Ok(Fetched { jwks, lifetime: LIFETIME })
            }
            Answer::Down => Err(FetchError::Status(503)),
            Answer::Panic => panic!("a mistake"),
        }
    }
}

/// A registry that asks the script, and is being run.
struct Running {
    registry: Arc<Registry>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(script: &Arc<Script>) -> Self {
        let registry = Arc::new(Registry::with(Arc::clone(script) as Arc<dyn Fetch>, metrics()));
        let run = Arc::clone(&registry);
        Self { registry, task: tokio::spawn(async move { run.run().await }) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}
