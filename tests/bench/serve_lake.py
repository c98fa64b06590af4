"""Serves the lake in a folder over Flight in a process of its own; ends when its input does.

The third argument is for how many seconds it keeps rows to hand them out again.
"""

import sys
from pathlib import Path

from lakehouse.adapters.object_store import LocalObjects
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.server import serve
from lakehouse.tables.release import ReleaseLog

home = Path(sys.argv[1])
users = {sys.argv[2]: sys.stdin.readline().strip()}
config = EndpointConfig(users=users, roots=(str(home / "tables"),), port=0, kept_seconds=float(sys.argv[3]))
server = serve(config, ReleaseLog(LocalObjects(home / "objects")))
sys.stdout.write(f"{server.uri}\n")
sys.stdout.flush()
sys.stdin.read()
server.stop()
