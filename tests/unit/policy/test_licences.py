"""SPDX expressions against the list that the packaging library keeps, and what they allow."""

import pytest
from packaging.licenses import _spdx

from lakehouse.policy.licences import LicenceFault, licence_allows, licence_asks, read_licence, spdx_kinds

EVERYTHING = ("share", "adapt", "commercial")


def test_the_list_has_every_licence_and_exception_of_another_keepers_list():
    ours = spdx_kinds()
    assert not [name for name in _spdx.LICENSES if ours.get(name, "exception") == "exception"]
    assert not [name for name in _spdx.EXCEPTIONS if ours.get(name) != "exception"]


@pytest.mark.parametrize(
    "name", ["CC0-1.0", "MIT", "cc-by-4.0", "ODbL-1.0", "GPL-2.0+", "GPL-2.0-only WITH Classpath-exception-2.0"]
)
def test_open_licences_allow_everything(name):
    assert licence_allows(name, EVERYTHING)


@pytest.mark.parametrize(
    ("expression", "allowed", "refused"),
    [
        ("CC-BY-NC-4.0", ("share", "adapt"), ("commercial",)),
        ("CC-BY-ND-4.0", ("share", "commercial"), ("adapt",)),
        ("CC-BY-NC-ND-4.0", ("share",), ("adapt",)),
        ("MIT AND CC-BY-NC-4.0", ("share",), ("commercial",)),
        ("MIT OR CC-BY-NC-4.0", EVERYTHING, ()),
        ("CC-BY-ND-4.0 AND (MIT OR CC-BY-NC-4.0)", ("share", "commercial"), ("adapt",)),
        ("CC-BY-NC-4.0 OR CC-BY-ND-4.0", ("commercial",), ("commercial", "adapt")),
        ("LicenseRef-own", (), ("share",)),
        ("SSPL-1.0", (), ("share",)),
        ("MIT AND", (), ("share",)),
        (None, (), ("share",)),
    ],
)
def test_expressions_allow_what_their_licences_do(expression, allowed, refused):
    assert licence_allows(expression, allowed)
    assert not refused or not licence_allows(expression, refused)


def test_and_adds_duties_and_or_leaves_the_common_ones():
    assert licence_asks("CC-BY-SA-4.0 AND MIT") == ("attribution", "share_alike")
    assert licence_asks("CC-BY-SA-4.0 OR MIT") == ("attribution",)
    assert licence_asks("CC0-1.0 OR CC-BY-4.0") == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("Free for all", "not in the SPDX list: Free, for, all"),
        ("MIT Apache-2.0", "missing before 'Apache-2.0'"),
        ("MIT OR", "missing at the end"),
        ("AND MIT", "missing before 'AND'"),
        ("(MIT", "not closed"),
        ("MIT WITH Apache-2.0", "Apache-2.0 is no exception"),
        ("Classpath-exception-2.0", "write it after WITH"),
        ("(" * 300 + "MIT" + ")" * 300, "more than 200 words"),
    ],
)
def test_what_is_no_expression_is_named(text, reason):
    with pytest.raises(LicenceFault, match=reason.replace("(", r"\(")):
        read_licence(text)
