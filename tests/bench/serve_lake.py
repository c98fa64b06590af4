"""Serves the lake in a folder over Flight in a process of its own; ends when its input does."""

import sys
from pathlib import Path

from lakehouse.adapters.object_store import LocalObjects
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.server import serve
from lakehouse.tables.release import ReleaseLog

home = Path(sys.argv[1])
config = EndpointConfig(users={sys.argv[2]: sys.stdin.readline().strip()}, roots=(str(home / "tables"),), port=0)
server = serve(config, ReleaseLog(LocalObjects(home / "objects")))
sys.stdout.write(f"{server.uri}\n")
sys.stdout.flush()
sys.stdin.read()
server.stop()
