"""Pages and API: what they say, what they refuse, and that nothing of a dataset's text becomes markup."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pyarrow as pa
import pytest
from jsonschema import Draft202012Validator

from lakehouse.catalogue import pages
from lakehouse.catalogue.app import ROUTES, application
from lakehouse.catalogue.openapi import document
from lakehouse.policy.users import default_policy
from lakehouse.tables.register import TERMS, WITHDRAWALS

HTML = {"Accept": "text/html"}
VERSION = "/datasets/marks/2024"


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.data = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.data.append(data)


def linked_data(text):
    (body,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    return json.loads(body)


def conforms(value, schema):
    components = document("http://x")["components"]
    Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components}).validate(value)


def test_the_first_page_lists_everything_with_facets(shown):
    page = shown.get("/", headers=HTML)
    assert page.status_code == 200
    assert "3 datasets" in page.text
    assert all(title in page.text for title in ("Marks", "Old lists", "data removed", "restricted"))


def test_words_narrow_the_results(shown):
    page = shown.get("/?q=emigre", headers=HTML)
    assert "1 dataset for “emigre”" in page.text
    assert "Old lists" in page.text


def test_a_landing_page_tells_all(shown):
    text = shown.get(VERSION, headers=HTML).text
    for said in (
        "How to cite",
        "@misc{marks_2024",
        "datalad clone /srv/datasets/marks marks",
        "SELECT * FROM lakehouse.silver.marks_marks",
        "s3://icewh/silver.marks_marks.json",
        "SHA-256",
        "Data dictionary",
        "Since version 2023",
        "RDA",
        "run-1",
        "ark:99999/v1",
    ):
        assert said in text, said


def test_the_linked_data_of_a_page_are_valid_and_describe_it(shown):
    linked = linked_data(shown.get(VERSION, headers=HTML).text)
    assert (linked["@type"], linked["version"], linked["name"]) == ("Dataset", "2024", "Marks")
    assert linked["url"] == "http://127.0.0.1:8600/datasets/marks/2024"
    assert {file["name"] for file in linked["distribution"]} >= {"tables/marks/marks.csv"}


def test_a_title_with_markup_stays_text(shown):
    for place in ("/", "/datasets/grades"):
        text = shown.get(place, headers=HTML).text
        assert "<b>" not in text
        assert "&lt;b&gt;honours" in text
    assert linked_data(shown.get("/datasets/grades", headers=HTML).text)["name"] == "Grades & <b>honours</b>"


def test_a_script_element_cannot_be_ended_from_inside(world, library, client):
    world.add("bad", title='"</script><script>alert(1)</script><!--"', description="'</ScRiPt>'")
    library.refresh()
    text = client.get("/datasets/bad", headers=HTML).text
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    assert linked_data(text)["name"] == "</script><script>alert(1)</script><!--"


def test_every_address_of_a_page_is_local(shown):
    for place in ("/", VERSION, "/datasets/lists", "/nothing"):
        for tag, attributes in Elements(shown.get(place, headers=HTML).text).found:
            if tag in ("link", "script", "img"):
                for name in ("src", "href"):
                    if name in attributes and attributes.get("rel") != "canonical":
                        assert attributes[name].startswith("/"), (tag, attributes)
            assert not [name for name in attributes if name.startswith("on") or name == "style"], attributes


def test_security_headers_are_on_every_answer(shown):
    for place in ("/", VERSION, "/api/v1/datasets", "/nothing", "/static/catalogue.css", "/?page=0"):
        headers = shown.get(place).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_newest_version_is_the_dataset_s_page(shown):
    assert "version 2024" in shown.get("/datasets/marks", headers=HTML).text
    assert "There is a newer version" in shown.get("/datasets/marks/2023", headers=HTML).text


def test_a_removed_version_names_the_newer_one_and_offers_nothing(world, library, client):
    first, report, _ = world.add("marks", "2023")
    world.add("marks", "2024", previous=(first, report))
    world.remove("marks", "2023")
    library.refresh()
    text = client.get("/datasets/marks/2023", headers=HTML).text
    assert "data of this version were removed" in text
    assert '<a href="/datasets/marks">version 2024</a>' in text
    assert "<dt>Access</dt><dd>none, the data were removed</dd>" in text
    assert "only the descriptions are still kept" in text


def test_one_row_is_no_rows_and_a_removed_dataset_counts_none(world, library, client):
    world.add("one", marks=(1,))
    world.add("gone")
    world.remove("gone", "1")
    library.refresh()
    text = client.get("/", headers=HTML).text
    assert "<span>1 row</span>" in text
    assert "2 rows" not in text


def test_columns_keep_the_order_of_the_dictionary(world, library, client):
    _, report, _ = world.add("ordered")
    assert list(type(report).from_json(report.to_json()).description.tables["marks"].columns) == ["pupil", "mark"]
    library.refresh()
    text = client.get("/datasets/ordered", headers=HTML).text
    assert text.index("<code>pupil</code>") < text.index("<code>mark</code>")


def test_changed_values_are_told_without_the_signs_of_json(world, library, client):
    first, report, _ = world.add("marks", "2023", keywords="[school, rules]")
    world.add("marks", "2024", keywords="[school]", previous=(first, report))
    library.refresh()
    assert "<td>school; rules</td><td>school</td>" in client.get("/datasets/marks/2024", headers=HTML).text


def test_previews_hide_what_names_people_and_show_the_version_s_rows(shown):
    body = shown.get("/api/v1/datasets/marks/versions/2024/rows/marks").json()
    assert body == {
        "table": "silver.marks_marks",
        "columns": ["mark"],
        "rows": [["1"], ["2"], ["3"]],
        "hidden": ["pupil"],
    }
    conforms(body, "Rows")


def test_rows_about_people_are_not_shown_by_default(world, library, client):
    library.policy = lambda: default_policy("lakehouse")
    world.add("marks")
    library.refresh()
    world.tables.read_names.clear()
    answer = client.get("/api/v1/datasets/marks/versions/1/rows/marks")
    assert answer.status_code == 403
    assert "its rows are about people; SQL shows groups of 10 or more" in answer.json()["error"]["message"]
    assert "silver.marks_marks" not in world.tables.read_names


def test_the_statement_to_copy_is_one_that_is_answered(world, library, client):
    """Of a table about people that is shown in groups `SELECT *` is refused, so their rows are counted."""

    def lines():
        answer = client.get("/api/v1/datasets/marks/versions/1").json()
        return next(way["lines"] for way in answer["ways"] if way["name"] == "SQL")

    table = "FROM lakehouse.silver.marks_marks WHERE dataset_version = '1'"
    world.add("marks")
    library.refresh()
    assert lines() == [f"SELECT * {table} LIMIT 100"]
    library.policy = lambda: default_policy("lakehouse")
    assert lines() == [f"SELECT COUNT(*) AS row_count {table}"]


def test_a_statement_that_is_refused_to_anyone_says_so_and_why(shown):
    """The statement stays, for users who may ask it."""
    ways = shown.get("/api/v1/datasets/grades/versions/1").json()["ways"]
    way = next(way for way in ways if way["name"] == "SQL")
    assert way["lines"] == ["SELECT * FROM lakehouse.silver.grades_marks WHERE dataset_version = '1' LIMIT 100"]
    told = "silver.grades_marks only as a user who may; anyone else is refused: its access is restricted"
    assert told in way["note"]
    assert told in shown.get("/datasets/grades/1", headers=HTML).text
    open_to_all = shown.get("/api/v1/datasets/marks/versions/2024").json()["ways"]
    assert not [way for way in open_to_all if "refused" in way["note"]]


def test_restricted_rows_are_never_read_for_anyone(shown, common):
    common.tables.read_names.clear()
    answer = shown.get("/api/v1/datasets/grades/versions/1/rows/marks")
    assert answer.status_code == 403
    assert "access is restricted" in answer.json()["error"]["message"]
    assert "Not shown: its access is restricted" in shown.get("/datasets/grades", headers=HTML).text
    assert "silver.grades_marks" not in common.tables.read_names


def test_removed_data_leave_a_tombstone(shown):
    page = shown.get("/datasets/lists", headers=HTML)
    assert page.status_code == 200
    assert "were removed" in page.text
    assert "The school asked for it." in page.text
    assert "2026-01-01" in page.text
    assert "datalad clone" not in page.text
    gone = shown.get("/datasets/lists/1/files/tables/marks/marks.csv")
    assert gone.status_code == 410
    assert shown.get("/api/v1/datasets/lists/versions/1/rows/marks").status_code == 410
    assert shown.get("/datasets/lists/1/metadata/datacite/datacite.json").status_code == 200


def test_files_that_are_there_lead_to_the_ways_to_get_them(shown):
    answer = shown.get(f"{VERSION}/files/tables/marks/marks.csv")
    assert (answer.status_code, answer.headers["location"]) == (303, "/datasets/marks/2024#get")
    assert shown.get(f"{VERSION}/files/other.csv").status_code == 404


def test_identifiers_lead_to_their_pages(shown, common):
    for identifier, dataset, label in (
        (row["identifier"], row["dataset"], row["dataset_version"])
        for row in common.tables.rows["archive.identifiers"].to_pylist()
    ):
        answer = shown.get(f"/id/{identifier}")
        assert answer.status_code == 302
        assert answer.headers["location"] == f"/datasets/{dataset}" + (f"/{label}" if label else "")
        assert shown.get(f"/id/{identifier.upper().replace('ARK:', 'ark:/')}").status_code == 302
        assert shown.get(f"/api/v1/identifiers/{identifier}").json()["dataset"] == dataset


def test_a_mistyped_identifier_is_told_from_an_unknown_one(shown, common):
    good = common.tables.rows["archive.identifiers"]["identifier"][0].as_py()
    wrong = good[:-1] + ("b" if good[-1] != "b" else "c")
    assert shown.get(f"/id/{wrong}").status_code == 400
    assert "mistyped" in shown.get(f"/id/{wrong}", headers=HTML).text
    assert shown.get("/id/10.5072/none").status_code == 404


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("application/ld+json", "application/ld+json"),
        ("application/json", "application/json; charset=utf-8"),
        ("application/x-bibtex;q=0.9, application/vnd.datacite.datacite+json;q=0.2", "application/x-bibtex"),
        ("application/vnd.datacite.datacite+xml", "application/vnd.datacite.datacite+xml"),
        ("application/x-research-info-systems", "application/x-research-info-systems"),
        ("application/vnd.citationstyles.csl+json", "application/vnd.citationstyles.csl+json"),
        ("text/html;q=0, application/ld+json;q=0.1", "application/ld+json"),
    ],
)
def test_a_page_comes_in_the_form_the_client_likes_best(shown, accept, kind):
    answer = shown.get(VERSION, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)


@pytest.mark.parametrize("accept", ["image/png", "text/html;q=0", "application/ld+json;q=zero"])
def test_a_form_there_is_not_is_406(shown, accept):
    assert shown.get(VERSION, headers={"Accept": accept}).status_code == 406


@pytest.mark.parametrize(
    "query",
    [
        "q=" + "x" * 201,
        "page=0",
        "page=1001",
        "page=x",
        "page=\u0663",
        "page=-1",
        "size=101",
        "size=0",
        "sort=random",
        "nothing=1",
        "licence=" + "x" * 201,
        "&".join(f"keyword={n}" for n in range(21)),
    ],
)
@pytest.mark.parametrize("place", ["/", "/api/v1/datasets"])
def test_what_is_out_of_bounds_is_400_and_says_what(shown, query, place):
    answer = shown.get(f"{place}?{query}", headers={"Accept": "application/json"})
    assert answer.status_code == 400
    conforms(answer.json(), "Error")
    assert query.partition("=")[0] in answer.json()["error"]["message"]


def test_unknown_things_are_404_in_the_form_asked_for(shown):
    for place in (
        "/datasets/none",
        "/datasets/marks/none",
        "/api/v1/datasets/none",
        "/api/v1/datasets/marks/versions/9",
        "/api/v1/datasets/marks/versions/2024/rows/none",
        "/static/none",
        "/datasets/marks/2024/metadata/record.json",
    ):
        answer = shown.get(place, headers={"Accept": "application/json"})
        assert answer.status_code == 404, place
        conforms(answer.json(), "Error")
    assert "<h1>Not found</h1>" in shown.get("/datasets/none", headers=HTML).text


def test_nothing_can_be_written(shown):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert shown.request(method, "/api/v1/datasets").status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        f"{VERSION}/metadata/../../../x",
        f"{VERSION}/metadata/%2e%2e/record.json",
    ],
)
def test_no_path_leads_out(shown, path):
    assert shown.get(path).status_code == 404


def test_an_unchanged_page_is_not_sent_again(shown):
    for place in ("/", VERSION, "/api/v1/datasets?q=marks", "/openapi.json"):
        first = shown.get(place)
        again = shown.get(place, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert shown.get(place, headers={"If-None-Match": '"other"'}).status_code == 200


def test_static_files_are_kept_for_good_under_their_hash_only(shown):
    page = shown.get("/", headers=HTML).text
    (hashed,) = re.findall(r'href="(/static/catalogue\.css\?v=[0-9a-f]+)"', page)
    assert "immutable" in shown.get(hashed).headers["cache-control"]
    assert shown.get("/static/catalogue.css").headers["cache-control"] == "no-cache"


def test_the_api_is_as_its_description_says(shown):
    conforms(shown.get("/api/v1/datasets?q=marks&keyword=school").json(), "Found")
    for name in ("marks", "grades", "lists"):
        conforms(shown.get(f"/api/v1/datasets/{name}").json(), "Dataset")
        label = shown.get(f"/api/v1/datasets/{name}").json()["version"]
        conforms(shown.get(f"/api/v1/datasets/{name}/versions/{label}").json(), "Version")
    conforms(shown.get("/health").json(), "Health")


def test_every_route_of_the_api_is_described_and_every_description_has_a_route():
    described = set(document("http://x")["paths"])
    there = {route.path.replace(":path", "") for route in ROUTES if route.path.startswith("/api/")}
    there |= {"/health", "/datasets/{dataset}/{version}/rows/{part}.csv"}
    assert described == there


def test_a_withdrawal_is_told_without_telling_whose(world, library, client):
    world.add("marks")
    world.add("other")
    row = {
        "receipt": "r-1", "dataset": "marks", "dataset_version": "1", "subject_kind": "pupil", "subject_hash": "5" * 64,
        "commit_before": "a" * 40, "commit_after": "b" * 40, "content_before": "a" * 64, "content_after": "b" * 64,
        "rows_removed": 12, "mentions_masked": 0, "withdrawn_by": "a clerk", "reason": "asked by letter",
        "withdrawn_at": datetime(2026, 2, 3, tzinfo=UTC),
    }  # fmt: skip
    untouched = {**row, "receipt": "r-2", "rows_removed": 0}
    world.tables.rows[WITHDRAWALS.name] = pa.Table.from_pylist([row, untouched], schema=WITHDRAWALS.arrow_schema())
    library.refresh()
    text = client.get("/datasets/marks", headers=HTML).text
    assert "Data of 1 person was withdrawn" in text
    assert "2026-02-03: a pupil, 12 rows; asked by letter (receipt <code>r-1</code>)" in text
    assert "5" * 64 not in text
    assert "The files without the people who were withdrawn, with every earlier version" in text
    assert "The files exactly as submitted, with" in client.get("/datasets/other", headers=HTML).text
    body = client.get("/api/v1/datasets/marks/versions/1").json()
    conforms(body, "Version")
    assert [one["receipt"] for one in body["withdrawn"]] == ["r-1"]


CONSENT = """\
consent: {basis: consent, table: marks, subject: pupil, purpose: purpose, given: given}
subjects:
  pupil: {description: Pupils, identifiers: [marks.pupil]}
"""


def test_rows_whose_subjects_cannot_be_asked_are_not_shown(world, library, client):
    world.add("marks")
    known = world.tables.rows[TERMS.name].to_pylist()
    table = {"consent_table": "answers", "consent_subject": "pupil", "subject_columns": "pupil"}
    ahead = {**known[0], **table, "dataset_version": "2", "saved_at": datetime(2027, 1, 1, tzinfo=UTC)}
    world.tables.rows[TERMS.name] = pa.Table.from_pylist([*known, ahead], TERMS.arrow_schema())
    library.refresh()
    found = client.get("/api/v1/datasets/marks/versions/1/rows/marks")
    assert found.status_code == 403
    assert "silver.marks_answers is not stored yet" in found.text


def test_rows_of_those_who_did_not_agree_are_left_out(world, library, client, monkeypatch):
    columns = (
        "description: Agreements.\ngrain: one row per pupil and purpose\ncolumns:\n"
        "  pupil: {type: integer, description: Pupil}\n  mark: {type: integer, description: Mark}\n"
        "  purpose: {type: string, description: Purpose}\n  given: {type: boolean, description: Whether given}\n"
    )
    monkeypatch.setattr(f"{type(world).__module__}.COLUMNS", columns)
    world.add("marks", more=CONSENT, marks=(5, 6, 7))
    world.tables.rows["silver.marks_marks"] = (
        world.tables.rows["silver.marks_marks"]
        .append_column("purpose", pa.array(["reporting"] * 3))
        .append_column("given", pa.array([True, False, True]))
    )
    library.refresh()
    body = client.get("/api/v1/datasets/marks/versions/1/rows/marks").json()
    assert [row[body["columns"].index("mark")] for row in body["rows"]] == ["5", "7"]
    assert library.holdings.terms["marks"].stored == ("1",), "which answers count depends on it"


def test_a_newer_checkout_changes_no_page_of_a_server_that_runs(monkeypatch):
    pages.templates.cache_clear()
    application(None)
    assert pages.templates.cache_info().currsize == 1, "the templates are read at the start"
    names = pages.templates().list_templates()
    before = [pages.templates().get_template(name) for name in names]
    monkeypatch.setattr("os.path.getmtime", lambda _: 0.0)  # every file is another one now
    assert len(names) == 5
    assert [pages.templates().get_template(name) for name in names] == before
