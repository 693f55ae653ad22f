//! `sidestream eval`: what would become of a request that was captured, step by step.
//!
//! The steps are the ingress's own ([`dry_run`]); nothing is published, handed on, limited or remembered.

mod captured;
mod report;

use std::process::ExitCode;

use crate::event::Millis;
use crate::ingress::{Captured, NotTried, Registry, Source, dry_run};
use crate::verify::{self, Unverified, Verified};

use self::report::Report;
use super::args::{Eval, Form, When};
use super::sources::{self, Ended};
use super::{Failure, complain, input, now, print_line};

/// How far in the future a request may have been signed for its own time to be taken. Further away it is no clock that is
/// wrong but the number, such as milliseconds where seconds are meant.
const AHEAD_SECONDS: u64 = 24 * 60 * 60;

/// Tries the request and prints what would become of it. The exit code says whether it would be accepted.
pub(super) fn run(args: &Eval, brought: &Registry) -> Result<ExitCode, Ended> {
    let (config, source) = sources::find(&args.config, &args.source, brought)?;
    let request = read(args)?;
    let judged = judge(&source, &request, args.time);
    let tried = dry_run(&config.ingress, Some(&args.source), &Captured { received: judged.time, ..request });
    let tried = match tried {
        Ok(run) => Ok(run),
        Err(NotTried::Malformed) => {
            return Err(Failure::from("the request's target is not one that a server takes").into());
        }
        Err(NotTried::NoSource(_)) => Err(elsewhere("no source takes requests at its path", &source)),
        Err(NotTried::OtherSource(_)) => {
            return Err(Failure::from(elsewhere("its path is another source's", &source)).into());
        }
    };
    let report = Report::new(&config, &source, tried, judged);
    let text = match args.form() {
        Form::Text(extent) => report.text(extent),
        Form::Json => report.json(),
    };
    print_line(text.trim_end())?;
    Ok(if report.is_accepted() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The captured request, as received at no particular time yet.
fn read(args: &Eval) -> Result<Captured, Failure> {
    let file = input::captured(&args.request)?;
    let shown = args.request.display();
    let request = captured::parse(&file).map_err(|why| format!("{shown}: {why}"))?;
    // Editors end the last line of a file; that is no part of a body whose length is known.
    if request.left > 2 {
        complain(&format_args!("{shown}: {} bytes behind the end of the body are left out", request.left));
    }
    Ok(Captured {
        method: request.method,
        target: args.path.clone().unwrap_or(request.target),
        headers: request.headers,
        body: request.body.into(),
        received: Millis(0),
    })
}

/// What the verifier says of a request.
struct Judged {
    /// When the request is taken to be received.
    time: Millis,
    verified: Result<Verified, Unverified>,
}

/// Asks the verifier, and finds the time at which the request was signed if that is what counts.
fn judge(source: &Source, request: &Captured, when: When) -> Judged {
    let at = |time: Millis| {
        let Captured { method, target, headers, body, .. } = request;
        source.scheme.verify(&verify::Request { method, target, headers, body, received: time })
    };
    let time = match when {
        When::Now | When::Signed => now(),
        When::At(time) => time,
    };
    let verified = at(time);
    let shift = |seconds: u64| seconds.saturating_mul(1000);
    // A verifier tells how far off the time is, whatever its scheme calls it.
    let signed = match (when, &verified) {
        (When::Signed, Err(Unverified::Old(seconds, _))) => Millis(time.0.saturating_sub(shift(*seconds))),
        (When::Signed, Err(Unverified::Future(seconds, _))) if *seconds <= AHEAD_SECONDS => {
            Millis(time.0.saturating_add(shift(*seconds)))
        }
        _ => return Judged { time, verified },
    };
    Judged { time: signed, verified: at(signed) }
}

/// Why the request is not for the source, and how to try it all the same. The request's own path is not shown: a query may
/// hold a secret.
fn elsewhere(why: &str, source: &Source) -> String {
    format!("{why}; the source {} is at {} (--path tries it there)", source.name, source.path)
}
