#!/usr/bin/env bash
# Formatting, vet, static analysis and known vulnerabilities. The tools come
# from the Go module proxy at pinned versions.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  printf 'gofmt is needed on:\n%s\n' "$unformatted" >&2
  exit 1
fi
go vet ./...
for module in scripts/bench socket/socketio/example/frameworks; do
  go -C "$module" vet ./...
done
if command -v golangci-lint >/dev/null; then
  golangci-lint run ./...
else
  go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
  for module in scripts/bench socket/socketio/example/frameworks; do
    (cd "$module" && go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...)
  done
fi
# The vulnerability database is not part of a module proxy: where it cannot be
# had, the check is reported as left out, never as passed.
if [ -n "${GOVULNDB:-}" ]; then
  go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...
else
  echo "govulncheck: left out, set GOVULNDB to a vulnerability database to run it" >&2
fi
