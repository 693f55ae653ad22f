//! An app behind TLS. `tls/` holds a certificate for `localhost` and the authority that signed it, made for these tests.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sidestream::edge::{Roots, Upstream, UpstreamScheme};

use crate::edge::{Front, get};
use crate::harness::status;
use crate::websocket::upgrade;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxy/tls").join(name)
}

/// Answers each request with the name that the caller asked for in its hello, and an upgrade with a word.
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
                // A caller that does not trust the certificate ends it here.
                let _ = serve(StreamOwned::new(tls, stream?));
                std::io::Result::Ok(())
            });
        }
    });
    port
}

fn serve(stream: StreamOwned<ServerConnection, std::net::TcpStream>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let stream = stream.get_mut();
        if head.starts_with("GET /ws") {
            write!(stream, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nhello\n")?;
            return std::io::copy(&mut std::io::empty(), stream).map(drop);
        }
        let name = stream.conn.server_name().unwrap_or("none").to_owned();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len())?;
    }
}

fn to(host: &str, port: u16) -> Upstream {
    Upstream::Tcp { scheme: UpstreamScheme::Https, host: host.into(), port }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_vouched_for_is_taken() {
    let front = Front::start_trusting(Some(to("localhost", start())), Roots::File(file("ca.pem")));
    let mut caller = front.running.connect().await;
    for _ in 0..3 {
        caller.send(get("/a")).await;
        assert_eq!(caller.answer().await.1, "localhost");
    }
    caller.send(upgrade("/ws")).await;
    caller.until("hello\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_or_is_for_another_name_is_502() {
    let port = start();
    for (host, roots) in [("localhost", Roots::System), ("127.0.0.1", Roots::File(file("ca.pem")))] {
        let front = Front::start_trusting(Some(to(host, port)), roots);
        for request in [get("/a"), upgrade("/ws")] {
            let answer = front.running.exchange(request).await;
            assert_eq!(status(&answer), 502, "{host}: {answer}");
            assert!(!answer.to_lowercase().contains("cert"), "{answer}");
        }
    }
}
