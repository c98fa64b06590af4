"""A further process of a training run: ``python -m models.teammate REQUEST MEETING RANK SIZE``, as its leader asks."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from models.child import end_with_parent, spin_little


def main(arguments: Sequence[str]) -> None:
    """Train along; the one that leads measures, keeps and answers."""
    logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s {arguments[2]}: %(levelname)s %(name)s %(message)s")
    end_with_parent()
    spin_little()
    from models.team import following
    from models.verbs import train_along

    request, meeting, rank, size = Path(arguments[0]), Path(arguments[1]), int(arguments[2]), int(arguments[3])
    train_along(request, following(meeting, rank, size))


if __name__ == "__main__":
    main(sys.argv[1:])
