//! An app behind TLS, with the certificates of the proxy's tests.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::support::{Bench, SOURCE, sync};
use crate::net::Roots;
use crate::relay::{RelayError, To, Url};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxy/tls").join(name)
}

/// Answers each request of three bytes with them.
fn start() -> u16 {
    let chain = vec![CertificateDer::from_pem_file(file("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let tls = ServerConnection::new(config).unwrap();
                // A relay that does not trust the certificate ends it here.
                let _ = serve(StreamOwned::new(tls, stream?));
                std::io::Result::Ok(())
            });
        }
    });
    port
}

fn serve(mut stream: StreamOwned<ServerConnection, std::net::TcpStream>) -> std::io::Result<()> {
    let mut read = Vec::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte)?;
        read.push(byte[0]);
        if let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n")
            && read.len() == end + 4 + 3
        {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")?;
            stream.write_all(&read[end + 4..])?;
            read.clear();
        }
    }
}

fn bench(host: &str, port: u16, roots: Roots) -> Bench {
    let url: Url = format!("https://{host}:{port}/in").parse().unwrap();
    Bench::with([(SOURCE, sync(To::Url(url)))], 100, roots)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_that_is_vouched_for_gets_webhooks() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let port = start();
    let good = bench("localhost", port, Roots::File(file("ca.pem")));
    for body in ["one", "two"] {
        assert_eq!(good.send(body).await.unwrap().body, body);
    }
    for (host, roots) in [("localhost", Roots::System), ("127.0.0.1", Roots::File(file("ca.pem")))] {
        let bad = bench(host, port, roots);
        assert_eq!(bad.send("one").await.unwrap_err(), RelayError::Unreachable, "{host}");
    }
}
