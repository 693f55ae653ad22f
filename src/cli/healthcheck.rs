//! `sidestream healthcheck`: is a running server ready?

use std::time::Duration;

use crate::config::admin_address;
use crate::net::Address;

use super::Failure;
use super::args::Healthcheck;
use super::request::{Request, Url};

/// Probes give up after a second or few; a server that takes longer to answer is not healthy.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of the answer that are shown.
const SHOWN_BYTES: usize = 4096;

/// Asks once.
pub(super) async fn run(args: &Healthcheck) -> Result<(), Failure> {
    let url = match &args.url {
        Some(url) => url.clone(),
        None => admin_url(&admin_address(&args.config.source()))?,
    };
    let ask = async {
        let mut response = Request::get(&url, "/readyz", "").send().await?;
        let status = response.status();
        if status == 200 {
            return Ok(());
        }
        let body = response.text(SHOWN_BYTES).await.unwrap_or_default();
        Err(format!("not ready: {url} answered {status}: {}", body.trim()).into())
    };
    let seconds = PATIENCE.as_secs();
    tokio::time::timeout(PATIENCE, ask)
        .await
        .unwrap_or_else(|_| Err(format!("not ready: {url} did not answer in {seconds} s").into()))
}

/// How the listener is reached from the same machine.
fn admin_url(listen: &Address) -> Result<Url, Failure> {
    let reachable = match listen {
        Address::Tcp { port: 0, .. } => {
            return Err("admin.listen has port 0: --url must say where it is".into());
        }
        Address::Tcp { host, port } => {
            let host = match host.as_str() {
                "0.0.0.0" => "127.0.0.1",
                "::" => "::1",
                other => other,
            };
            format!("http://{}", Address::Tcp { host: host.to_owned(), port: *port })
        }
        unix @ Address::Unix(_) => unix.to_string(),
    };
    reachable.parse().map_err(|error: String| error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (listen, want) in [
            ("0.0.0.0:9090", "http://127.0.0.1:9090"),
            ("[::]:9090", "http://[::1]:9090"),
            ("10.0.0.1:80", "http://10.0.0.1:80"),
            ("unix:/run/admin.sock", "unix:/run/admin.sock"),
        ] {
            assert_eq!(admin_url(&listen.parse().unwrap()).unwrap().to_string(), want);
        }
        assert!(admin_url(&"127.0.0.1:0".parse().unwrap()).is_err());
    }
}
