"""Serve made-up rows of every published table over Flight, to try dashboards and clients against.

python tests/contract/endpoint/try_endpoint.py --port 32010 --user lakehouse --password secret1 --warehouse /tmp/lake
"""

import argparse
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]
sys.path[:0] = [str(PROJECT), str(Path(__file__).parent)]

from sample_lake import SampleLake, everything  # noqa: E402 (the paths above come first)

from lakehouse.endpoint.config import EndpointConfig  # noqa: E402
from lakehouse.endpoint.server import run_forever  # noqa: E402


def main() -> None:
    """Write the tables once, publish the views as they are on disk now, and serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=32010)
    parser.add_argument("--user", default="lakehouse")
    parser.add_argument("--password", required=True)
    parser.add_argument("--warehouse", type=Path, required=True)
    options = parser.parse_args()
    lake = SampleLake(options.warehouse.resolve())
    views = {f"kpi.{file.stem}": file.read_text() for file in sorted(PROJECT.glob("lakehouse/publish/sql/*.sql"))}
    written = lake.releases.objects.keys("releases/")
    release = lake.publish([], views) if written else everything(lake, views)
    config = EndpointConfig(
        users={options.user: options.password},
        roots=(str(lake.warehouse),),
        port=options.port,
        address_space_bytes=4 * 1024**3,
    )
    print(f"serving release {release.number} with {len(release.views)} views on port {options.port}", flush=True)  # noqa: T201
    run_forever(config, lake.releases)


if __name__ == "__main__":
    main()
