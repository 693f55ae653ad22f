//! What a person sees who starts it by hand: where it listens, and two lines to copy.

use std::fmt::Write as _;

use crate::admin::Listening;
use crate::config::Config;

/// The banner's text, with the ports that the kernel chose.
pub(super) fn text(config: &Config, listening: &[Listening]) -> String {
    let mut text = format!("sidestream {}\n\n", env!("CARGO_PKG_VERSION"));
    let purpose = |name: &str| match name {
        "edge" => "subscribers, and the app behind",
        "ingress" => "webhooks",
        _ => "metrics, health, API",
    };
    for listener in listening {
        let _ = writeln!(text, "  {:<8} {:<28} {}", listener.name, listener.address, purpose(listener.name));
    }
    let address = |name| listening.iter().find(|l| l.name == name).map_or("", |l| &l.address);
    let subscribe = curl(address("edge"), &format!("{}/orders", config.edge.prefix));
    let publish = curl(address("ingress"), "/webhooks/orders");
    let _ =
        write!(text, "\nsubscribe:  curl -N {subscribe}\npublish:    curl -d '{{\"id\":7}}' {publish}\n\n");
    text
}

/// The arguments with which curl reaches `path`.
fn curl(address: &str, path: &str) -> String {
    match address.strip_prefix("unix:") {
        Some(socket) => format!("--unix-socket {socket} http://localhost{path}"),
        None => format!("{}{path}", reachable(address)),
    }
}

/// A listener on all addresses is reached on loopback from here.
fn reachable(address: &str) -> String {
    address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_can_be_copied() {
        let listening = [
            Listening { name: "edge", address: "http://0.0.0.0:18080".into() },
            Listening { name: "ingress", address: "unix:/run/in.sock".into() },
            Listening { name: "admin", address: "http://[::1]:9090".into() },
        ];
        let text = text(&Config::default(), &listening);
        assert!(text.contains("curl -N http://127.0.0.1:18080/topics/orders\n"), "{text}");
        let publish = "curl -d '{\"id\":7}' --unix-socket /run/in.sock http://localhost/webhooks/orders\n";
        assert!(text.contains(publish), "{text}");
        assert!(text.contains("admin    http://[::1]:9090"), "{text}");
    }
}
