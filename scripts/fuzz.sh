#!/usr/bin/env bash
# Runs every fuzz target for a bounded time: FUZZTIME each, 10s unless set. A
# target that fails does not keep the others from running.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

# fuzz runs the target $2 of the package $1.
fuzz() {
  go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-10s}" -fuzzminimizetime 20x "$1" 2>&1 | tee "$log"
}

# deadline_only reports whether the run failed for its own deadline alone: Go's
# fuzzing reports that at times on a busy machine, without a failing input.
deadline_only() {
  grep -qx '    context deadline exceeded' "$log" && ! grep -qE 'Failing input|panic|fatal error' "$log"
}

for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "fuzz: $target in $package"
    fuzz "$package" "$target" && continue
    if deadline_only; then
      echo "fuzz: $target ended at its deadline without a failing input: once more"
      fuzz "$package" "$target" && continue
    fi
    echo "fuzz: $target in $package FAILED" >&2
    failed=1
  done
done
exit $failed
