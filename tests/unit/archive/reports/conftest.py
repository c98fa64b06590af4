"""Reports of a refused and of an accepted dataset, made by the real judge."""

import pytest


@pytest.fixture
def accepted(dataset, judged):
    return judged(dataset)


@pytest.fixture
def refused(accepted, dataset, judged):
    """The same, spoilt after it was accepted: wrong types in three columns, no known licence, a name that is HTML."""
    rooms = dataset / "tables/rooms/rooms.csv"
    rooms.write_text("room,size\nten,wide\n11,60\n")
    lessons = dataset / "tables/lessons/lessons.csv"
    lessons.write_text(lessons.read_text() + "4,11,31.12.2024,,,,\n")
    (dataset / "<b>name & | `x`.pdf").write_text("x")
    description = dataset / "dataset.yaml"
    description.write_text(description.read_text().replace("CC-BY-4.0", "CC-BZ-4.0"))
    return judged(dataset)
