//! Who publishes keys over HTTPS, and sometimes does not answer.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// Serves a set of keys with the certificate of `tests/proxy/tls`, which is for `localhost`.
pub struct Provider {
    pub url: String,
    /// What it serves; none while it is down.
    keys: Arc<Mutex<Option<Vec<Value>>>>,
    asked: Arc<AtomicUsize>,
}

fn tls(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxy/tls").join(file)
}

/// The certificate that vouches for it.
pub fn authority() -> PathBuf {
    tls("ca.pem")
}

impl Provider {
    /// Serves these keys; none: it is down from the start.
    pub fn start(keys: Option<Vec<Value>>) -> Self {
        let chain = vec![CertificateDer::from_pem_file(tls("cert.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(tls("key.pem")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let (config, keys, asked) =
            (Arc::new(config), Arc::new(Mutex::new(keys)), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/keys", listener.local_addr().unwrap().port());
        let (served, counted) = (Arc::clone(&keys), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    head.extend(byte);
                }
                let set = served.lock().unwrap().clone();
                let answer = match set {
                    Some(keys) => {
                        let set = json!({ "keys": keys }).to_string();
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{set}", set.len())
                    }
                    None => "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_owned(),
                };
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, keys, asked }
    }

    /// Serves these from now on.
    pub fn serve(&self, keys: Vec<Value>) {
        *self.keys.lock().unwrap() = Some(keys);
    }

    /// Answers nobody from now on but with 503.
    pub fn goes_down(&self) {
        *self.keys.lock().unwrap() = None;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
