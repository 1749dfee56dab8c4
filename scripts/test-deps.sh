#!/usr/bin/env bash
# Finds or installs what the tests need beside Go, and says in a sentence what
# is missing where it cannot.
set -euo pipefail
cd "$(dirname "$0")/.."
missing=0
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "test-deps: Node.js with npm is missing: the suites of the JavaScript client cannot run. Install Node 18 or newer." >&2
  missing=1
elif [ ! -d test/js/node_modules ] || [ test/js/package-lock.json -nt test/js/node_modules/.package-lock.json ]; then
  (cd test/js && npm ci --no-audit --no-fund --loglevel=error)
fi
# FerretDB is a second kind of MongoDB-wire server; its specs are skipped,
# saying so, where it cannot be built.
if [ ! -x bin/ferretdb ] || [ test/ferretdb/go.mod -nt bin/ferretdb ] || [ test/ferretdb/main.go -nt bin/ferretdb ]; then
  (cd test/ferretdb && go build -o ../../bin/ferretdb .) ||
    echo "test-deps: FerretDB cannot be built: its specs are skipped. Its modules must be within reach of the Go proxy." >&2
fi
# Python brings a second opinion on the clients and SecantusDB: their suites are
# skipped, saying so, where there is none.
venv=test/py/.venv
if [ ! -x $venv/bin/python ] || [ test/py/requirements.txt -nt $venv ]; then
  if ! python3 -m venv $venv >/dev/null 2>&1 || ! $venv/bin/pip install -q --disable-pip-version-check -r test/py/requirements.txt; then
    rm -rf $venv
    echo "test-deps: Python 3 with venv, or its packages, cannot be had: the suites of the Python client and of SecantusDB are skipped. Install python3-venv." >&2
  else
    touch $venv
  fi
fi
find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! find_chromium >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium) >/dev/null 2>&1 || true
  fi
  find_chromium >/dev/null || {
    echo "test-deps: Chromium is missing: the suite of the built-in page cannot run. Install the package chromium." >&2
    missing=1
  }
fi
exit $missing
