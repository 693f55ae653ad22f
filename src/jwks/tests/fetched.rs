//! Over real sockets: what a provider may send, and what is not taken.
//!
//! The certificate of `tests/proxy/tls` is for `localhost`; `ca.pem` there vouches for it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::time::timeout;

use super::super::fetch::{Network, Roots};
use super::*;
use crate::jwt::{JwksError, MAX_JWKS};

/// Answers each connection with `answer`, and gives what was asked.
struct Provider {
    port: u16,
    heads: mpsc::Receiver<String>,
}

impl Provider {
    fn start(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::serving(move |mut stream, head| {
            stream.write_all(&answer)?;
            Ok(head)
        })
    }

    /// `serve` is given the connection and the request's head.
    fn serving(serve: impl Fn(TcpStream, String) -> std::io::Result<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, heads) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Ok(head) = head(&mut stream) else { continue };
                if serve(stream, head).is_ok_and(|head| tell.send(head).is_err()) {
                    return;
                }
            }
        });
        Self { port, heads }
    }

    fn url(&self) -> JwksUrl {
        url(&format!("http://127.0.0.1:{}/jwks?a=b", self.port))
    }

    async fn fetch(&self) -> Result<Fetched, FetchError> {
        timeout(SOON, Network::new(Roots::System).fetch(&self.url())).await.expect("in time")
    }

    /// The error, which shows nothing of what came.
    async fn refused(&self) -> FetchError {
        let why = self.fetch().await.unwrap_err();
        assert!(!format!("{why} {why:?}").contains("hush"), "{why:?}");
        why
    }
}

fn head(stream: &mut impl Read) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(String::from_utf8(head).unwrap())
}

fn ok(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_set_is_asked_for_and_taken() {
    let provider = Provider::start(ok("Cache-Control: max-age=600\r\n", &set(&["rsa", "p256"])));
    let fetched = provider.fetch().await.unwrap();
    assert_eq!((fetched.jwks.keys.len(), fetched.lifetime), (2, Duration::from_mins(10)));
    let head = provider.heads.recv().unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get /jwks?a=b http/1.1\r\n"), "{head}");
    let host = format!("\r\nhost: 127.0.0.1:{}\r\n", provider.port);
    for field in [
        &host,
        "\r\naccept-encoding: identity\r\n",
        "\r\nconnection: close\r\n",
        "\r\nuser-agent: sidestream/",
    ] {
        assert!(head.contains(field), "{field:?} in {head}");
    }
    assert!(!head.contains("authorization") && !head.contains("cookie"), "{head}");
}

#[tokio::test]
async fn in_each_framing() {
    let body = set(&["rsa"]);
    let (one, two) = body.split_at(100);
    for answer in [
        ok("", &body),
        format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
        format!("HTTP/1.0 200 OK\r\n\r\n{body}"),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
            one.len(),
            two.len()
        ),
        format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{}", ok("", &body)),
        ok("Content-Encoding: identity\r\nContent-Type: text/plain\r\n", &body),
    ] {
        let provider = Provider::start(answer.clone());
        assert_eq!(provider.fetch().await.expect(&answer).jwks.keys.len(), 1, "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_set_is_not_taken() {
    for (answer, why) in [
        ("HTTP/1.1 500 hush\r\nContent-Length: 4\r\n\r\nhush".to_owned(), FetchError::Status(500)),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), FetchError::Status(204)),
        ("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(), FetchError::Redirect(304)),
        (ok("Content-Encoding: gzip\r\n", "hush"), FetchError::Encoded),
        (ok("", "<html>hush</html>"), JwksError::NotASet.into()),
        (ok("", "{\"hush\":1}"), JwksError::NotASet.into()),
        (ok("", ""), JwksError::NotASet.into()),
    ] {
        assert_eq!(Provider::start(answer.clone()).refused().await, why, "{answer}");
    }
    for garbage in [
        "hush\r\n\r\n".to_owned(),
        "HTTP/1.1 hush\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", "hush: hush\r\n".repeat(200_000)),
        String::new(),
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"keys\"".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhush".to_owned(),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n", 11, "{\"keys\":[]}"),
    ] {
        let why = Provider::start(garbage.clone()).refused().await;
        assert!(
            matches!(why, FetchError::Exchange(_)),
            "{why:?} for {:?}",
            &garbage[..garbage.len().min(80)]
        );
    }
}

/// Not even to another path of the same host.
#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Provider::start(ok("", &set(&["rsa"])));
        let location = elsewhere.url().whole();
        let answer = format!("HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let provider = Provider::start(answer);
        assert_eq!(provider.refused().await, FetchError::Redirect(status));
        assert!(elsewhere.heads.try_recv().is_err());
    }
}

#[tokio::test]
async fn a_body_is_bounded() {
    let padded = |length: usize| {
        let body = set(&["rsa"]);
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let close = |body: String| format!("HTTP/1.1 200 OK\r\n\r\n{body}");
    for answer in [ok("", &padded(MAX_JWKS)), close(padded(MAX_JWKS))] {
        assert_eq!(Provider::start(answer).fetch().await.unwrap().jwks.keys.len(), 1);
    }
    for answer in [ok("", &padded(MAX_JWKS + 1)), close(padded(MAX_JWKS + 1))] {
        assert_eq!(Provider::start(answer).refused().await, JwksError::TooLarge.into());
    }
    // One without an end is read as far as that, and the connection closed.
    let (closed, is_closed) = mpsc::channel();
    let endless = Provider::serving(move |mut stream, head| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        while stream.write_all(&[b' '; 4096]).is_ok() {}
        closed.send(()).unwrap();
        Ok(head)
    });
    assert_eq!(endless.refused().await, JwksError::TooLarge.into());
    is_closed.recv_timeout(SOON).unwrap();
}

/// Before the head, in it, and in the body.
#[tokio::test]
async fn a_provider_that_is_slow_is_given_up() {
    for begin in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"] {
        let slow = Provider::serving(move |mut stream, head| {
            stream.write_all(begin.as_bytes())?;
            // Ends when the other side gives up.
            let _ = stream.read(&mut [0]);
            Ok(head)
        });
        let impatient = Network::new(Roots::System).within(Duration::from_millis(200));
        let fetched = timeout(SOON, impatient.fetch(&slow.url())).await.unwrap();
        assert_eq!(fetched.unwrap_err(), FetchError::Late, "{begin:?}");
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let network = Network::new(Roots::System);
    let down = network.fetch(&url(&format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert!(matches!(down, FetchError::Connect(_)), "{down:?}");
    let nowhere = network.fetch(&url("http://no-such-host.invalid/")).await.unwrap_err();
    assert!(matches!(nowhere, FetchError::Name(_)), "{nowhere:?}");
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxy/tls").join(name)
}

/// Serves the set over TLS.
fn tls(answer: String) -> u16 {
    let chain = vec![CertificateDer::from_pem_file(file("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
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
            let mut stream =
                StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream.unwrap());
            // A caller that does not trust the certificate ends it here.
            let Ok(_) = head(&mut stream) else { continue };
            let _ = stream.write_all(answer.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
            let _ = stream.sock.shutdown(Shutdown::Write);
        }
    });
    port
}

#[tokio::test]
async fn over_tls_from_who_is_vouched_for_and_from_nobody_else() {
    let port = tls(ok("", &set(&["rsa"])));
    let with = async |host: &str, roots: Roots| {
        let url = url(&format!("https://{host}:{port}/jwks"));
        timeout(SOON, Network::new(roots).fetch(&url)).await.unwrap()
    };
    assert_eq!(with("localhost", Roots::File(file("ca.pem"))).await.unwrap().jwks.keys.len(), 1);
    for (host, roots) in [("localhost", Roots::System), ("127.0.0.1", Roots::File(file("ca.pem")))] {
        let why = with(host, roots).await.unwrap_err();
        assert!(matches!(why, FetchError::Connect(_)), "{host}: {why:?}");
    }
    // A server that speaks no TLS.
    let plain = Provider::start(ok("", &set(&["rsa"])));
    let url = url(&format!("https://127.0.0.1:{}/jwks", plain.port));
    let short = Network::new(Roots::System).within(Duration::from_secs(1));
    assert!(short.fetch(&url).await.is_err());
}

/// All of it together: from a socket to a token that is believed.
#[tokio::test]
async fn a_registry_fills_what_it_has_adopted() {
    let provider = Provider::start(ok("", &set(&["rsa"])));
    let registry = Arc::new(Registry::new(Roots::System, metrics()));
    let remote = Arc::new(Remote::new(provider.url()));
    registry.adopt([&remote]);
    let loaded = async {
        while !registry.missing().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = registry.run() => unreachable!(),
        loaded = timeout(SOON, loaded) => loaded.expect("in time"),
    }
    assert!(checker(&remote).check(token("rsa"), NOW).is_ok());
}
