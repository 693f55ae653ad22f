#!/usr/bin/env bash
# Tries sidestream with clients that nobody here wrote: Chromium's EventSource, npm's `eventsource` and
# `@microsoft/fetch-event-source`, Python's httpx-sse, curl, tokens of npm's `jose` and of PyJWT, and nginx and HAProxy in front; and the chat, the Kubernetes manifest and the image.
#
#   tests/clients/run.sh SIDESTREAM_BINARY          one line a check, then `N passed, N failed`
#   ONLY=chromium,nginx tests/clients/run.sh …      some of it: curl eventsource fetch-event-source httpx nginx
#                                                   proxies fronts forward tokens chromium chat kubernetes image
#   VERBOSE=1 tests/clients/run.sh …                failures with their whole story
#
# Installs what it needs of npm and pip into node_modules and .venv here, once. Of the system it needs
# node (20 or newer), python3 with venv, curl, chromium, nginx with its stream module, and haproxy;
# what is missing is skipped, and with CI=true a failure.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ $# -ne 1 || ! -x $1 ]]; then
  echo "usage: $0 SIDESTREAM_BINARY" >&2
  exit 2
fi
binary=$(realpath "$1")
cd "$here"

if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || ! command -v npm >/dev/null; then
  missing="the checks need Node.js 20 or newer, with npm; here is $(node --version 2>/dev/null || echo none)"
  if [[ ${CI:-} == true ]]; then
    printf 'FAILED - %s\n0 passed, 1 failed\n' "$missing"
    exit 1
  fi
  printf 'skipped - %s\n0 passed, 0 failed\n' "$missing"
  exit 0
fi

# Whether `folder` was filled from what these files say now; `mark` notes that it was.
stamp() { cat "$@" | sha256sum; }
fresh() { [[ -f $1/.stamp && $(<"$1/.stamp") == "$2" ]]; }

npm_stamp=$(stamp package.json package-lock.json)
if ! fresh node_modules "$npm_stamp"; then
  npm ci --no-audit --no-fund --loglevel=error >&2
  echo "$npm_stamp" >node_modules/.stamp
fi

CLIENTS_PYTHON=
if python3 -c 'import venv, ensurepip' 2>/dev/null; then
  pip_stamp=$(stamp requirements.txt)
  if ! fresh .venv "$pip_stamp"; then
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt >&2
    echo "$pip_stamp" >.venv/.stamp
  fi
  CLIENTS_PYTHON=$here/.venv/bin/python
fi
export CLIENTS_PYTHON

exec node main.mjs "$binary"
