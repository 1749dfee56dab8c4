#!/usr/bin/env bash
# Finds or installs what the tests need beside Go, and says in a sentence what
# is missing where it cannot.
set -euo pipefail
cd "$(dirname "$0")/.."
missing=0
# install takes packages of the system where that is possible.
install() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@") >/dev/null 2>&1 || true
  fi
}
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
# promtool reads what the command export writes for Prometheus, and checks rules;
# a Prometheus scrapes the program. Their specs are skipped, saying so, where they
# cannot be built.
for tool in promtool prometheus; do
  if [ ! -x bin/$tool ] || [ test/promtool/go.mod -nt bin/$tool ]; then
    (cd test/promtool && go build -trimpath -ldflags '-s -w' -o ../../bin/$tool github.com/prometheus/prometheus/cmd/$tool) ||
      echo "test-deps: $tool cannot be built: its specs are skipped. Its modules must be within reach of the Go proxy." >&2
  fi
done
# Alertmanager is a real receiver of alerts; its specs are skipped, saying so,
# where it cannot be built.
if [ ! -x bin/alertmanager ] || [ test/alertmanager/go.mod -nt bin/alertmanager ] || [ scripts/alertmanager.sh -nt bin/alertmanager ]; then
  scripts/alertmanager.sh ||
    echo "test-deps: Alertmanager cannot be built: its specs are skipped. Its modules must be within reach of the Go proxy." >&2
fi
# Python brings a second opinion on the clients and SecantusDB: their suites are
# skipped, saying so, where they cannot be had.
venv=test/py/.venv
if [ ! -f $venv/done ] || [ test/py/requirements.txt -nt $venv/done ] || [ test/py/secantusdb.txt -nt $venv/done ]; then
  python3 -c 'import ensurepip' 2>/dev/null || install python3 python3-venv
  pip() { $venv/bin/pip install -q --disable-pip-version-check -r "test/py/$1"; }
  if ! python3 -m venv $venv >/dev/null 2>&1 || ! pip requirements.txt; then
    rm -rf $venv
    echo "test-deps: Python 3 with venv, or its packages, cannot be had: the suites of the Python client and of SecantusDB are skipped. Install python3-venv." >&2
  elif pip secantusdb.txt; then
    touch $venv/done
  else
    echo "test-deps: SecantusDB cannot be had for this Python: without mongod or MONGODB_TEST_URI the suites of MongoDB are skipped." >&2
  fi
fi
# The Rust and the Java client are further opinions: their specs are skipped,
# saying so, where they cannot be had.
rust=test/rust/target/debug/shutdown
if ! command -v cargo >/dev/null; then
  echo "test-deps: Rust is missing: the specs of the Rust client are skipped. Install Rust with cargo." >&2
elif [ ! -x $rust ] || [ test/rust/Cargo.toml -nt $rust ] || [ test/rust/src/main.rs -nt $rust ]; then
  (cd test/rust && cargo build --quiet --locked && touch ../../$rust) ||
    echo "test-deps: the Rust client cannot be built: its specs are skipped. It needs crates, a C compiler and OpenSSL's headers (libssl-dev)." >&2
fi
if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then
  echo "test-deps: Java or Maven is missing: the specs of the Java client are skipped. Install a JDK (17 or newer) and Maven." >&2
elif [ ! -d test/java/lib ] || [ test/java/pom.xml -nt test/java/lib ]; then
  (cd test/java && mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib && touch lib) ||
    echo "test-deps: the Java client cannot be had: its specs are skipped. Maven must reach its repository." >&2
fi
command -v redis-server >/dev/null || install redis-server
if ! command -v redis-server >/dev/null; then
  echo "test-deps: redis-server is missing: the suites of Redis cannot run. Install the package redis-server." >&2
  missing=1
fi
# The sample configurations of the balancers are tried on the real ones; their
# specs are skipped, saying so, where these cannot be had.
for balancer in nginx haproxy; do
  command -v $balancer >/dev/null || [ -x /usr/sbin/$balancer ] || install $balancer
  command -v $balancer >/dev/null || [ -x /usr/sbin/$balancer ] ||
    echo "test-deps: $balancer is missing: its specs are skipped. Install the package $balancer." >&2
done
find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! find_chromium >/dev/null; then
  install chromium
  find_chromium >/dev/null || {
    echo "test-deps: Chromium is missing: the suite of the built-in page cannot run. Install the package chromium." >&2
    missing=1
  }
fi
exit $missing
