#!/usr/bin/env bash
# Takes the files of the JavaScript client out of its npm package, for the
# server to embed. The lock file pins what comes.
set -euo pipefail
cd "$(dirname "$0")/../socket/bundle"
if ! command -v npm >/dev/null; then
  echo "assets: npm is missing: the server will answer 404 at /socket.io/socket.io.js. Install Node 18 or newer." >&2
  exit 0
fi
npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
rm -f files/socket.io.*
for name in socket.io.js socket.io.min.js socket.io.esm.min.js socket.io.msgpack.min.js; do
  cp "node_modules/socket.io-client/dist/$name" "node_modules/socket.io-client/dist/$name.map" files/
done
node -p 'require("./node_modules/socket.io-client/package.json").version' > files/VERSION
echo "assets: socket.io-client $(cat files/VERSION)"
