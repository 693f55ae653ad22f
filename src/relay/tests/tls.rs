//! An app behind TLS, with the certificates of the proxy's tests.

use super::support::{Bench, SOURCE, sync};
use crate::net::Roots;
use crate::net::client::testing::{start_tls, tls_file};
use crate::relay::{RelayError, To, Url};

fn bench(host: &str, port: u16, roots: Roots) -> Bench {
    let url: Url = format!("https://{host}:{port}/in").parse().unwrap();
    Bench::with([(SOURCE, sync(To::Url(url)))], 100, roots)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_that_is_vouched_for_gets_webhooks() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let port = start_tls(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
    let good = bench("localhost", port, Roots::File(tls_file("ca.pem")));
    for body in ["one", "two"] {
        assert_eq!(good.send(body).await.unwrap().body, "yes", "{body}");
    }
    for (host, roots) in [("localhost", Roots::System), ("127.0.0.1", Roots::File(tls_file("ca.pem")))] {
        let bad = bench(host, port, roots);
        assert_eq!(bad.send("one").await.unwrap_err(), RelayError::Unreachable, "{host}");
    }
}
