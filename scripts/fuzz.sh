#!/usr/bin/env bash
# Runs every fuzz target for a bounded time: FUZZTIME each, 10s unless set.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "fuzz: $target in $package"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" -fuzzminimizetime 20x "$package"
  done
done
