#!/usr/bin/env bash
# The reverse proxy beside nginx's proxy_pass: both in front of one app (nginx answering 200 with 13 bytes), asked by wrk
# over 64 keep-alive connections, in turn, so that whatever else the machine does meets both.
#
#   benches/proxy.sh SIDESTREAM_BINARY [RUNS] [SECONDS]       needs nginx and wrk; loopback only
set -euo pipefail

binary=$(realpath "${1:?usage: benches/proxy.sh SIDESTREAM_BINARY [RUNS] [SECONDS]}")
runs=${2:-5}
seconds=${3:-4}
dir=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT

app=18110 nginx=18111 edge=18112

cat >"$dir/nginx.conf" <<CONF
daemon off;
worker_processes 2;
pid $dir/nginx.pid;
error_log $dir/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
  keepalive_requests 1000000;
  upstream app { server 127.0.0.1:$app; keepalive 128; keepalive_requests 1000000; }
  server { listen 127.0.0.1:$app; location / { return 200 "hello, world\n"; } }
  server {
    listen 127.0.0.1:$nginx;
    location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
CONF
cat >"$dir/sidestream.yaml" <<CONF
edge: { listen: "127.0.0.1:$edge", upstream: "http://127.0.0.1:$app" }
ingress: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
CONF

/usr/sbin/nginx -c "$dir/nginx.conf" -p "$dir" 2>/dev/null &
pids+=($!)
SIDESTREAM_LOG=warn "$binary" serve -c "$dir/sidestream.yaml" >/dev/null 2>&1 &
pids+=($!)
for port in $app $nginx $edge; do
  for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/" >/dev/null && break; sleep 0.05; done
done

# One run: requests per second, and the 99th percentile.
ask() {
  wrk -t1 -c64 -d"${seconds}s" --latency "http://127.0.0.1:$1/" |
    awk '/Requests\/sec/ { rate = $2 } /99%/ { p99 = $2 } /Non-2xx/ { bad = $0 } END { print rate, p99, bad }'
}

for run in $(seq "$runs"); do
  for one in "direct $app" "nginx $nginx" "sidestream $edge"; do
    read -r name port <<<"$one"
    echo "$run $name $(ask "$port")" | tee -a "$dir/runs"
  done
done
for name in direct nginx sidestream; do
  awk -v n="$name" '$2 == n { print $3 }' "$dir/runs" | sort -n |
    awk -v n="$name" '{ v[NR] = $1 } END { printf "%-11s median %8.0f requests/s\n", n, v[int((NR + 1) / 2)] }'
done
