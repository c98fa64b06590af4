"""What the bits of a training run rest on besides its recipe and documents: packages, processor, device.

`python -m models.surroundings` prints it as JSON, for a parent that must not load torch.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.errors import ChildCrashedError

_ROOT = Path(__file__).resolve().parents[1]
_COMPARED = ("device", "platform", "processor", "cpu_capability")


def look_around(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what a training run started in this environment would rest on; asked of a child process.

    Raises:
        ChildCrashedError: torch does not load there.
    """
    done = subprocess.run(
        [sys.executable, "-m", "models.surroundings"],
        cwd=_ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ChildCrashedError(f"cannot look at torch and the processor: {done.stderr.strip()[-2000:]}")
    values: dict[str, Any] = json.loads(done.stdout)
    return values


def differences(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """Say in what the surroundings of a recorded run and those here differ, one line each; nothing where they agree."""
    for name in _COMPARED:
        if recorded.get(name) is None:
            yield f"{name} was not recorded; here it is {here[name]}"
        elif recorded[name] != here[name]:
            yield f"{name} was {recorded[name]}, here it is {here[name]}"
    if recorded["threads"] > here["cores"]:
        yield f"it ran on {recorded['threads']} threads, here are {here['cores']} cores; as many threads share them"
    before = {**recorded["packages"], "python": recorded["versions"]["python"]}
    now = {**here["packages"], "python": here["versions"]["python"]}
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield f"{name} was {before.get(name, 'not installed')}, here it is {now.get(name, 'not installed')}"


def _here() -> dict[str, Any]:
    # Imported here: the parent, which shares this module, must not load torch.
    import platform

    from models.checkpoint import installed_packages, library_versions
    from models.device import choose_device

    device = choose_device("auto")
    return {
        "device": device.name,
        "platform": platform.platform(),
        "processor": device.processor,
        "cpu_capability": device.cpu_capability,
        "cores": len(os.sched_getaffinity(0)),
        "packages": installed_packages(),
        "versions": library_versions(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_here()))
