"""Where data are not open to everybody, their page says for whom they are and whom to ask."""

import html
import re

import pytest

HTML = {"Accept": "text/html"}
CONTACT = "contact: {name: School office, email: office@school.example}\n"
RESTRICTED = "terms: {access: restricted, purposes: [research, teaching], conditions: Cite the school.}\n"


@pytest.fixture
def page(world, library, client):
    """Store a dataset with some more fields in its description, and return its page's text and what the API says."""

    def made(more):
        world.add("grades", more=more)
        library.refresh()
        text = client.get("/datasets/grades", headers=HTML).text
        told = re.search(r'<h3 id="ask">Ask for access</h3>\s*<p>(.*?)</p>', text, re.DOTALL)
        request = client.get("/api/v1/datasets/grades/versions/1").json()["request"]
        return html.unescape(told[1]) if told else None, request, text

    return made


def test_the_contact_is_named_with_an_address_and_what_to_say(page):
    told, request, text = page(RESTRICTED + CONTACT)
    mail = "mailto:office@school.example?subject=Access%20to%20grades"
    assert told == (
        "The data are for users who were granted them. To become one, ask School office, "
        f'<a href="{mail}">office@school.example</a>. Say who you are and for which purpose; its terms permit '
        "research, teaching, and that you agree to its conditions."
    )
    assert (request["access"], request["mail"], request["contact"]["name"]) == ("restricted", mail, "School office")
    assert '<dd>restricted; <a href="#ask">ask for access</a></dd>' in text
    assert "Not shown: its access is restricted and user anyone has no such right. <a href=" in text
    assert text.count('href="#ask"') == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "contact: {name: Office, url: 'https://school.example/ask'}\n",
            'ask Office, <a href="https://school.example/ask">https://school.example/ask</a>. Say who',
        ),
        ("contact: {name: Office}\n", "ask Office. The description gives no address of the contact; A School, or who"),
        ("", "names no contact; ask A School, or whoever runs this archive. Say who you are and for which purpose."),
        ("publisher: The ministry\n", "names no contact; ask The ministry, or whoever runs this archive."),
        ("contact: {name: '<b>Office</b>'}\n", "ask <b>Office</b>."),
    ],
)
def test_who_else_may_know_is_named_where_there_is_no_address(page, more, said):
    told, _, text = page("terms: {access: registered}\n" + more)
    assert told.startswith("The data are for registered users of this archive. ")
    assert said in told
    assert "<b>Office" not in text


@pytest.mark.parametrize("more", ["", "terms: {access: open}\n"])
def test_open_data_are_not_asked_for(page, more):
    told, request, text = page(more + CONTACT)
    assert (told, request) == (None, None)
    assert "ask for access" not in text.lower()


def test_data_that_are_gone_are_not_asked_for(world, library, client, page):
    page(RESTRICTED + CONTACT)
    world.remove("grades", "1")
    library.refresh()
    assert client.get("/api/v1/datasets/grades/versions/1").json()["request"] is None
    assert "Ask for access" not in client.get("/datasets/grades", headers=HTML).text


def test_the_newest_version_says_whom_to_ask_for_all(world, library, client):
    first, report, _ = world.add("grades", "1", more=CONTACT)
    world.add("grades", "2", more=RESTRICTED + CONTACT.replace("office@", "data@"), previous=(first, report))
    library.refresh()
    for label in ("1", "2"):
        told = client.get(f"/api/v1/datasets/grades/versions/{label}").json()["request"]
        assert told["contact"]["email"] == "data@school.example"
