//! sidestream with a verifier and a step of one's own: everything else, the command line too, is sidestream's.

mod acme;
mod redact;

use std::process::ExitCode;

use sidestream::ingress::Registry;

fn main() -> ExitCode {
    let registry =
        Registry::new().verifier("acme", acme::scheme).expect("a name that sidestream does not know");
    let registry = registry.step("redact", redact::Redact::new).expect("a name that is given once");
    sidestream::run_with(registry)
}
