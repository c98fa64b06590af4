"""A sealed object is refused when any byte of it is another, is gone or was put in; its hash is of what lies there."""

import hashlib
import json
import random

import pytest

from lakehouse.errors import ChecksumError
from lakehouse.tables.sealed_json import SEAL, resealed, seal, unseal

BODIES = {
    "the hash alone": {},
    "the hash first": {"z": 1, "worth": [1, {"sha256": "0" * 64}]},
    "the hash in the middle": {"a": None, "t": 'line\n "sha256": "none",\n', "{": "}"},
    "the hash last": {"a": {"b": [True, 0.5]}, "name": "Zoë 😀"},
}


def by_the_definition(values):
    """Return the sealed form as it has been since the first release: the hash is that of the form without it."""
    content = json.dumps(values, sort_keys=True, indent=1).encode()
    with_hash = {**values, SEAL: hashlib.sha256(content).hexdigest()}
    return json.dumps(with_hash, sort_keys=True, indent=1).encode()


def drawn(draw, depth):
    kinds = ["number", "text", "none", "share"] + (["list", "object"] * 2 if depth else [])
    match draw.choice(kinds):
        case "number":
            return draw.randrange(-(2**63), 2**63)
        case "share":
            return draw.random()
        case "none":
            return draw.choice((None, True, False))
        case "text":
            return "".join(draw.choice('ab"\\\n\t é😀\u2028{}[],:') for _ in range(draw.randrange(9)))
        case "list":
            return [drawn(draw, depth - 1) for _ in range(draw.randrange(4))]
    return {
        draw.choice(("a", "sha256", "sha", "sha2560", "z")): drawn(draw, depth - 1) for _ in range(draw.randrange(5))
    }


def refused(body):
    """Say whether a body is refused; `pytest.raises` would be most of the time for so many."""
    try:
        unseal(body, "it")
    except ChecksumError as error:
        return str(error).startswith("it is damaged")
    return False


@pytest.mark.parametrize("what", BODIES)
def test_any_single_byte_that_changed_is_gone_or_was_put_in_is_refused(what):
    body = seal(BODIES[what])
    assert unseal(body, "it") == BODIES[what]
    for at in range(len(body) + 1):
        before, after = body[:at], body[at + 1 :]
        others = [before + bytes([byte]) + body[at:] for byte in range(256)]
        if at < len(body):
            others += [before + bytes([byte]) + after for byte in range(256) if byte != body[at]] + [before + after]
        assert all(map(refused, others)), f"byte {at}"


def test_what_was_sealed_before_is_still_sealed_the_same_way():
    draw = random.Random(20261128)
    for _ in range(500):
        values = {name: drawn(draw, 3) for name in draw.sample(("a", "b", "s", "sha25", "sha2561", "t", "z"), 3)}
        assert seal(values) == seal({**values, SEAL: "another"}) == by_the_definition(values)
        assert unseal(by_the_definition(values), "it") == values


def test_other_ends_of_lines_and_other_ways_to_write_the_same_are_refused():
    body = seal({"a": 1, "z": [2]})
    values = json.loads(body)
    for other in (
        body.replace(b"\n", b"\r\n"),
        body.replace(b"\n", b"\r"),
        body + b"\n",
        b"\xef\xbb\xbf" + body,
        body.decode().encode("utf-16"),
        json.dumps(values).encode(),
        json.dumps(values, indent=2).encode(),
        json.dumps(dict(reversed(values.items())), indent=1).encode(),
    ):
        assert refused(other), other


def test_fields_that_are_there_twice_are_refused():
    body = seal({"a": 1, "z": 2})
    line = next(one for one in body.split(b"\n") if b"sha256" in one)
    for again in (b' "a": 1,', b' "a": 3,', line, line.replace(line[12:20], b"00000000")):
        for at in range(1, 4):
            lines = body.split(b"\n")
            assert refused(b"\n".join([*lines[:at], again, *lines[at:]])), again


def sealed_by_hand(content):
    """Put the hash of these bytes among them, where the first of them are a line."""
    head, _, rest = content.partition(b"\n")
    digest = hashlib.sha256(content).hexdigest().encode()
    return head + b'\n "sha256": "' + digest + b'",\n' + rest


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (b"{\n no json\n}", "are no JSON"),
        (b'[\n "a", 1\n]', "are no JSON"),
        (b'{\n "sha256": 1\n}', "not a field of its own"),
        (b'{"in":{\n "b": 1}}', "not a field of its own"),
    ],
)
def test_a_hash_that_fits_does_not_make_an_object_of_anything(content, how):
    with pytest.raises(ChecksumError, match=how):
        unseal(sealed_by_hand(content), "it")


def test_the_hash_is_that_of_the_bytes_whatever_order_they_are_in():
    body = sealed_by_hand(b'{\n "z": 1,\n   "a": 2}')
    assert unseal(body, "it") == {"z": 1, "a": 2}


def test_an_edited_object_is_sealed_again_only_if_it_was_whole():
    old = seal({"a": "ann"})
    edited = old.replace(b"ann", b"bo")
    assert unseal(resealed(old, edited), "it") == {"a": "bo"}
    assert resealed(old[1:], edited) == edited
