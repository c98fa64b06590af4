"""`make onnx` adds two packages to the environment, by hash, and changes nothing else there."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pins(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", text, flags=re.MULTILINE))


def test_the_lock_of_the_extra_holds_its_pins_and_no_other_version_of_what_is_there():
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    locked, there = pins("requirements-onnx.lock"), pins("requirements.lock")
    assert {f"{name}=={locked[name]}" for name in ("onnx", "onnxruntime")} == set(asked["onnx"])
    assert "education-lakehouse" not in locked
    shared = locked.keys() & there.keys()
    assert shared
    assert {name: locked[name] for name in shared} == {name: there[name] for name in shared}
    assert locked.items() <= pins("requirements-dev.lock").items()
