"""Licences as other standards name them, as SPDX expressions."""

import re

from lakehouse.archive.licences import unknown_licences

# Names of the Open Definition that SPDX writes otherwise.
RENAMED = {"odc-pddl-1.0": "PDDL-1.0", "odc-by-1.0": "ODC-By-1.0", "odc-odbl-1.0": "ODbL-1.0", "odbl-1.0": "ODbL-1.0"}
ADDRESSES = (
    (r"spdx\.org/licenses/([A-Za-z0-9.+-]+?)(?:\.html|\.json)?$", "{0}"),
    (r"creativecommons\.org/publicdomain/zero/(\d\.\d)", "CC0-{0}"),
    (r"creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)", "CC-{0}-{1}"),
    (r"opendatacommons\.org/licenses/pddl", "PDDL-1.0"),
    (r"opendatacommons\.org/licenses/by", "ODC-By-1.0"),
    (r"opendatacommons\.org/licenses/odbl", "ODbL-1.0"),
    (r"apache\.org/licenses/LICENSE-2\.0", "Apache-2.0"),
    (r"opensource\.org/licenses/([A-Za-z0-9.-]+)$", "{0}"),
)


def spdx(stated: str) -> str:
    """Return the SPDX expression of a licence that is stated by name or address; what is not known stays as it is."""
    for pattern, name in ADDRESSES:
        found = re.search(pattern, stated.rstrip("/"), re.IGNORECASE)
        if found:
            made = name.format(*(group.upper() if "CC-" in name else group for group in found.groups()))
            return made if not unknown_licences(made) else stated
    return RENAMED.get(stated.lower(), stated)


def spdx_of(stated: list[list[str]]) -> str | None:
    """Return one expression for several licences, each stated in one or more ways of which the first known counts."""
    chosen = [_known(ways) for ways in stated if ways]
    return " AND ".join(dict.fromkeys(chosen)) or None


def _known(ways: list[str]) -> str:
    named = [spdx(way) for way in ways]
    return next((name for name in named if not unknown_licences(name)), named[0])
