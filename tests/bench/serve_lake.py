"""Serves the lake in a folder over Flight in a process of its own; ends when its input does.

The third argument is for how many seconds it keeps rows to hand them out again, the fourth how many bytes of tables it
reads before anyone asks; with some, it says when it has read the first.
"""

import gc
import sys
import time
from pathlib import Path

from lakehouse.adapters.object_store import LocalObjects
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.server import serve
from lakehouse.tables.release import ReleaseLog

home = Path(sys.argv[1])
users = {sys.argv[2]: sys.stdin.readline().strip()}
kept_seconds, ahead_bytes = float(sys.argv[3]), int(sys.argv[4])
config = EndpointConfig(
    users=users, roots=(str(home / "tables"),), port=0, kept_seconds=kept_seconds, ahead_bytes=ahead_bytes
)
server = serve(config, ReleaseLog(LocalObjects(home / "objects")))
gc.collect()
gc.freeze()  # as where it serves people
sys.stdout.write(f"{server.uri}\n")
sys.stdout.flush()
if ahead_bytes:
    begun = time.monotonic()
    while not server.kept_tables:
        time.sleep(0.02)
    sys.stdout.write(f"{time.monotonic() - begun:.2f}\n")
    sys.stdout.flush()
sys.stdin.read()
server.stop()
