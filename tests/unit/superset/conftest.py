"""Makes the modules of the ``superset`` folder importable: it is a folder of scripts, not a package."""

import shutil
import sys
from pathlib import Path

import pytest

SUPERSET = Path(__file__).parents[3] / "superset"
sys.path.insert(0, str(SUPERSET))


@pytest.fixture
def source_folder(tmp_path: Path) -> Path:
    """A copy of the committed dashboard source, to break."""
    return Path(shutil.copytree(SUPERSET / "source", tmp_path / "source"))
