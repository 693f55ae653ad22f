#!/usr/bin/env bash
# Starts the chat: its app, and sidestream in front of it. Ctrl-C stops both.
#
#   examples/chat/run.sh [SIDESTREAM_BINARY]      or with SIDESTREAM=… in the environment
#
# What ends by itself is started again, as a cluster would do it; so stop sidestream while a page is
# open (kill it, say) and see the page come back.
set -euo pipefail
set -m # each child has a process group of its own: a Ctrl-C reaches this script alone

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
config=${CHAT_CONFIG:-$here/sidestream.yaml}

binary=${1:-${SIDESTREAM:-}}
for candidate in "$root/target/release/sidestream" "$root/target/debug/sidestream"; do
  if [[ -z $binary && -x $candidate ]]; then binary=$candidate; fi
done
if [[ -z $binary ]]; then
  echo "chat: there is no sidestream yet; build it with: cargo build --release" >&2
  exit 1
fi
if ! command -v node >/dev/null; then
  echo "chat: the app needs Node.js 20 or newer (apt-get install nodejs)" >&2
  exit 1
fi

# Runs a program, and again when it ends; not when it gives up at once, or finds its configuration bad (78).
keep() {
  local name=$1 child='' started code
  shift
  trap 'if [[ -n $child ]]; then kill -TERM "$child" 2>/dev/null; wait "$child"; fi; exit 0' TERM
  while true; do
    started=$SECONDS
    "$@" &
    child=$!
    code=0
    wait "$child" || code=$?
    if (( code == 78 || (code < 128 && SECONDS - started < 2) )); then
      echo "chat: $name ended with $code" >&2
      exit 1
    fi
    echo "chat: $name ended with $code and is started again" >&2
  done
}

keepers=()
stop() {
  trap '' INT TERM
  trap - EXIT
  kill -TERM "${keepers[@]}" 2>/dev/null || true
  wait "${keepers[@]}" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 0' INT TERM

PORT=${CHAT_APP_PORT:-3000} WEBHOOK=${CHAT_WEBHOOK:-http://127.0.0.1:8081/webhooks/chat} \
  keep 'the app' node "$here/app.mjs" &
keepers+=($!)
keep sidestream "$binary" serve -c "$config" &
keepers+=($!)
if [[ -z ${CHAT_CONFIG:-} ]]; then
  echo "chat: open http://127.0.0.1:8080/ in two windows" >&2
fi

# Whichever gives up takes the other with it.
wait -n "${keepers[@]}" || exit 1
