#!/usr/bin/env bash
# http_ok.sh PORT [PATH]: succeeds when this machine answers 200 (or sends elsewhere) on the path; without one, when it listens.
# Plain bash, because the images have neither curl nor wget in common.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/$1"
if [[ $# -gt 1 ]]; then
  printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
  read -r -t 4 status <&3
  [[ $status =~ ^HTTP/1\.[01]\ (200|30[12378]) ]]
fi
