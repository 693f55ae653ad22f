#!/usr/bin/env bash
# Tries sidestream with requests that senders' own libraries and programs make: npm's `stripe`, `twilio`, `cloudevents`,
# `standardwebhooks` and Octokit, PyPI's `svix`, `slack_sdk` and `PyNaCl`, and Debian's Prometheus, Alertmanager and registry.
#
#   tests/senders/run.sh SIDESTREAM_BINARY          one line a check, then `N passed, N failed`
#   ONLY=github,alertmanager tests/senders/run.sh … some of it: the name of a source, or of a module of main.mjs
#   VERBOSE=1 tests/senders/run.sh …                failures with their whole story
#   tests/senders/run.sh --capture                  writes tests/data/webhooks anew; needs no server
#
# Installs what it needs of npm and pip into node_modules and .venv here, once. Of the system it needs node (20 or newer),
# python3 with venv, prometheus, prometheus-alertmanager and docker-registry; what is missing is skipped, and with CI=true
# a failure.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ $# -ne 1 || ($1 != --capture && ! -x $1) ]]; then
  echo "usage: $0 SIDESTREAM_BINARY | --capture" >&2
  exit 2
fi
binary=$1
[[ $1 == --capture ]] || binary=$(realpath "$1")
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

SENDERS_PYTHON=
if python3 -c 'import venv, ensurepip' 2>/dev/null; then
  pip_stamp=$(stamp requirements.txt)
  if ! fresh .venv "$pip_stamp"; then
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt >&2
    echo "$pip_stamp" >.venv/.stamp
  fi
  SENDERS_PYTHON=$here/.venv/bin/python
fi
export SENDERS_PYTHON

if [[ $binary == --capture ]]; then exec node capture.mjs; fi
exec node main.mjs "$binary"
