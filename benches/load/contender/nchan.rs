//! nginx with nchan as Debian ships it: one worker, the published bytes as the event, history in memory.

use std::process::Command;

use super::{Contender, Endpoint, folder, free_addrs};
use crate::Res;
use crate::args::Args;

/// Debian's package knows the version; the module itself doesn't say it.
pub fn version() -> String {
    let query = ["-W", "-f", "${Version}", "libnginx-mod-nchan"];
    let said = Command::new("dpkg-query").args(query).output().ok().filter(|o| o.status.success());
    said.map_or("of unknown version".into(), |o| String::from_utf8_lossy(&o.stdout).into_owned())
}

pub fn start(args: &Args) -> Res<Contender> {
    let [addr] = free_addrs()?;
    let folder = folder()?;
    let root = folder.path().display();
    let module = args.nchan_module.display();
    let files = crate::sys::raise_open_files();
    let connections = files - 100;
    // The worker keeps the master's user, or it couldn't write below the folder when started by root.
    let user = std::fs::metadata(folder.path()).map(|m| std::os::unix::fs::MetadataExt::uid(&m))?;
    let user = if user == 0 { "user root;" } else { "" };
    let conf = format!(
        "load_module {module};
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {root}/pid;
error_log {root}/log warn;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 128M;
  server {{
    listen {addr} backlog=4096;
    location = /publish {{
      nchan_publisher;
      nchan_channel_id bench;
      nchan_message_buffer_length 1000;
      nchan_message_timeout 1h;
    }}
    location = /subscribe {{
      nchan_subscriber eventsource;
      nchan_channel_id bench;
      nchan_subscriber_first_message newest;
    }}
  }}
}}
"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, conf)?;
    let mut command = Command::new(&args.nginx);
    command.arg("-c").arg(&file).arg("-p").arg(folder.path()).arg("-e").arg(folder.path().join("log"));
    let publish = Endpoint::new(addr, "/publish");
    let subscribe = Endpoint::new(addr, "/subscribe");
    Contender::spawn(command, folder, [subscribe, publish.clone(), publish])
}
