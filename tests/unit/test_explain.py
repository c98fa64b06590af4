"""From a figure back to data, code, model and people: every link is read from a record, and what is gone says so."""

import dataclasses
import json
import shutil
from datetime import UTC, datetime

import pytest

from assets.explain import explain
from dagster_project.cli import main
from dagster_project.code_history import missing_code
from lakehouse.archive.metadata.lineage_crate import CHAIN, TREE, document, write_crate
from lakehouse.errors import OutputExistsError, UntraceableError
from lakehouse.lineage import NOT_RECORDED, Link, as_json, as_text, walk
from lakehouse.tables.gold import MODEL_FORMS, MODEL_QUARANTINES, MODEL_STAGES, MODEL_VERSIONS, PREDICTIONS
from lakehouse.tables.records import RECORDS, TOMBSTONES
from lakehouse.tables.register import SUBMISSIONS
from lakehouse.tables.release import View
from models.checkpoint import WEIGHTS
from models.config import file_sha256
from tests.conformance import crates
from tests.unit.explained_lake import CODE, COMMIT, EARLIER, HELD, PASSAGE, Archive, stored

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def found(link, kind):
    """The links of a kind, each once."""
    return list({each.key: each for each in walk(link) if each.kind == kind}.values())


def only(link, kind):
    (each,) = found(link, kind)
    return each


def test_what_a_submission_says_of_itself_cannot_steer_the_terminal_or_pass_for_a_link():
    forged = "Ann\n└─ code commit: deadbeef"
    creator = Link("creator", forged, "its\nrecord", {"na\nme": "x\x1b[2J\u202ey"}, gone="left\n└─ run: 1")
    text = as_text(Link("dataset version", "d@1", "its description", {"title": "A\x1b[2J\ntitle"}, parts=(creator,)))
    assert [line.lstrip("└─│ ").partition(":")[0] for line in text.splitlines()] == [
        "dataset version",
        "title",
        "read from",
        "creator",
        "GONE",
        "na\\nme",
        "read from",
    ]
    assert text.replace("\n", "").isprintable()
    assert r"creator: Ann\n└─ code commit: deadbeef" in text
    assert r"title: A\x1b[2J title" in text


def test_a_prediction_leads_to_model_data_code_run_and_person(lake):
    chain = explain(lake.sources(), PASSAGE)
    assert chain.kind == "prediction"
    model = only(chain, "model version")
    weights = lake.workshop.checkpoints.folder("gpt-0001") / WEIGHTS
    assert (model.name, model.facts["weights sha256"]) == ("gpt-0001", file_sha256(weights))
    assert {each.name for each in found(chain, "run")} == {"run-6", "run-7"}, "that of the training, of the prediction"
    assert only(chain, "code commit").name == CODE
    assert only(chain, "environment").facts["torch"] == "2.0"
    version = only(chain, "dataset version")
    assert (version.name, version.facts["DataLad commit"]) == ("lessons@1", COMMIT)
    assert version.facts["licence"] == "CC-BY-4.0"
    assert only(chain, "learned from").facts["token share"] == 1.0
    assert f"gold.documents@{lake.documents_snapshot()}" in {each.name for each in found(chain, "Iceberg snapshot")}
    person = only(chain, "person responsible")
    assert (person.name, person.facts["email"]) == ("Ada Example", "ada@example.org")
    assert only(chain, "creator").name == "A School"
    assert only(chain, "evaluation").facts["gpt on all, bits per byte"] == 1.25
    assert str(only(chain, "tests").facts["writes_text"]).startswith("FAILED: 0.5, at least 0.9")
    assert only(chain, "held-out document").facts["title"] == "One"


def test_what_datasets_say_is_not_repeated(lake):
    told = as_text(explain(lake.sources(), PASSAGE)) + json.dumps(as_json(explain(lake.sources(), PASSAGE)))
    assert "long text" not in told


@pytest.mark.parametrize("target", [f"gpt-0001/{PASSAGE}", f"gpt-0001/{HELD[:12]}/{PASSAGE}", f"{HELD}/{PASSAGE}"])
def test_a_prediction_of_one_of_several_models_is_named_with_it(lake, target):
    rows = {"evaluation_snapshot": "9" * 64, "passage_id": PASSAGE, "document_id": "d", "dataset": "lessons"}
    lake.say(PREDICTIONS, model_version="gpt-0002", dataset_commit=COMMIT, **rows)
    with pytest.raises(UntraceableError, match=f"2 predictions .* name one of gpt-0001/{HELD[:12]}/lessons"):
        explain(lake.sources(), PASSAGE)
    assert explain(lake.sources(), target).name == f"gpt-0001/{HELD[:12]}/{PASSAGE}"


@pytest.mark.parametrize(
    ("target", "next_action"),
    [
        ("nothing", "lakehouse sql"),
        ("gpt-0004", "lakehouse models list"),
        ("lessons/notes/one#99", "kpi.predictions"),
        ("lessons@9", "lakehouse models list"),
        ("gold.nothing", "docs/dictionary.md"),
        ("kpi.nothing", "docs/dictionary.md"),
        ("gold.model_measures/gpt-0004", "is named by model_version/measure/slice/measured_on"),
    ],
)
def test_an_unknown_name_says_what_to_do(lake, target, next_action):
    with pytest.raises(UntraceableError) as told:
        explain(lake.sources(), target)
    assert next_action in str(told.value)
    assert target.partition("/")[0] in str(told.value)


def test_a_row_is_found_by_the_beginning_of_its_key(lake):
    chain = explain(lake.sources(), "gold.model_measures/gpt-0001/bits_per_byte/all")
    assert chain.facts["value"] == 1.25
    assert only(chain, "model version").name == "gpt-0001"
    assert explain(lake.sources(), f"gold.predictions/gpt-0001/{HELD}").kind == "prediction"


def test_withdrawn_removed_and_retired_are_shown(lake):
    lake.say(MODEL_QUARANTINES, model_version="gpt-0001", receipt="w1", reason="learned from somebody")
    lake.say(TOMBSTONES, dataset="lessons", dataset_version="1", reason="no consent", decided_by="Eve")
    lake.say(MODEL_STAGES, event_key="1", model_version="gpt-0001", stage="retired", decided_by="eve", reason="old")
    chain = explain(lake.sources(), PASSAGE)
    model = only(chain, "model version")
    assert model.gone == "in quarantine after withdrawal w1: learned from somebody"
    assert model.facts["stage"] == "retired by eve: old"
    assert only(chain, "dataset version").gone == "its data were removed on 2024-05-01 by Eve: no consent"
    assert "GONE: its data were removed" in as_text(chain)


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ([], "the archive holds no lessons@1"),
        ([stored(commit=EARLIER, replaces=(COMMIT,))], f"commit {EARLIER} replaces {COMMIT}"),
        ([stored(commit=EARLIER)], f"the archive has commit {EARLIER} under this label"),
    ],
)
def test_a_commit_that_the_archive_lost_is_shown(lake, held, why):
    lake.archive = Archive(held)
    assert why in only(explain(lake.sources(), "gpt-0001"), "dataset version").gone


def test_a_commit_without_a_version_is_shown(lake):
    rows = {"evaluation_snapshot": HELD, "passage_id": "x/y/z#1", "document_id": "x/y/z", "dataset": "lessons"}
    lake.say(PREDICTIONS, model_version="gpt-0001", dataset_commit="0" * 40, **rows)
    document = only(explain(lake.sources(), "x/y/z#1"), "held-out document")
    assert document.gone == "it is not among the documents that are published now"
    assert document.parts[0].gone == "no version of lessons has this commit any more"


def test_a_model_without_its_folder_is_told_from_the_tables(lake):
    lake.say(MODEL_VERSIONS, model_version="gpt-0002", documents_snapshot="42", recipe="{}")
    shutil.rmtree(lake.workshop.checkpoints.root / "gpt-0001")
    chain = explain(lake.sources(), PASSAGE)
    model = only(chain, "model version")
    assert "no checkpoint 'gpt-0001'" in model.gone
    assert only(chain, "learned from").facts["token count"] == 9
    lost = only(explain(lake.sources(), "gpt-0002"), "Iceberg snapshot")
    assert "42" in lost.gone


def test_a_smaller_form_leads_to_its_version_and_a_lost_one_is_told_from_the_tables(lake):
    known = {"model_version": "gpt-0001", "evaluation_snapshot": HELD, "accepted": False, "reason": "refused: it lost"}
    lake.say(MODEL_FORMS, form="gpt-0001-int4", weights_sha256="7" * 64, **known)
    link = explain(lake.sources(), "gpt-0001-int4")
    assert (link.kind, link.facts["weights sha256"]) == ("model form", "7" * 64)
    assert "no form 'gpt-0001-int4'" in link.gone
    judged, version = link.parts
    assert (judged.facts["accepted"], judged.facts["reason"]) == (False, "refused: it lost")
    assert (version.kind, version.name) == ("model version", "gpt-0001")
    with pytest.raises(UntraceableError, match="no record of a form 'gpt-0001-int2'"):
        explain(lake.sources(), "gpt-0001-int2")


def test_altered_weights_are_shown(lake):
    path = lake.workshop.checkpoints.folder("gpt-0001") / WEIGHTS
    path.chmod(0o644)
    path.write_text("other")
    assert "SHA-256 differs" in only(explain(lake.sources(), "gpt-0001"), "model version").gone


def test_what_older_records_lack_is_said(lake):
    lake.keep_model("gpt-0002", run_id="")
    chain = explain(lake.sources(missing_code=missing_code), "gpt-0002")
    first = found(chain, "run")[0]
    assert ("before runs were recorded" in first.unknown, first.gone) == (True, ""), "never known is not gone"
    assert f"does not hold commit {CODE}" in only(chain, "code commit").gone
    lake.keep_model("gpt-0003", code_commit=f"{CODE}+dirty")
    code = only(explain(lake.sources(missing_code=missing_code), "gpt-0003"), "code commit")
    assert (code.gone, bool(code.unknown)) == ("", True)
    assert only(chain, "environment").facts["cpu_capability"] is None


def test_a_version_that_names_nobody_says_so(lake):
    lake.say(RECORDS, dataset="lessons", dataset_version="2", record_sha256="0" * 64)
    key = f"records/lessons/2/{'0' * 12}/record.json"
    lake.house.objects.put(key, b'{"description": {}}')
    nobody = only(explain(lake.sources(), "lessons@2"), "person responsible")
    assert (nobody.name, nobody.gone) == ("nobody", "")
    assert nobody.unknown == "the description names neither a contact nor a creator"
    assert f"    NEVER RECORDED: {nobody.unknown}" in as_text(nobody)
    assert as_json(nobody)["never_recorded"] == nobody.unknown
    lake.house.objects.delete(key)
    lost = only(explain(lake.sources(), "lessons@2"), "person responsible")
    assert lost.gone == "the record of the version is not in the object store"


def test_the_tree_tells_a_link_once_and_json_in_full():
    shared = Link("dataset version", "d@1", "archive.records", {"licence": None, "share": 0.123456789, "open": True})
    chain = Link("row", "r", "t", {}, "", (Link("table", "a", "m", {}, "", (shared,)), shared))
    text = as_text(chain)
    assert text.count("licence: ") == 1
    assert f"licence: {NOT_RECORDED}" in text
    assert "share: 0.123457" in text
    assert text.endswith("└─ dataset version: d@1 (as above)")
    assert as_json(chain)["parts"][1]["facts"] == {"licence": None, "share": 0.123456789, "open": True}


def test_the_crate_is_valid_and_tells_the_chain(lake, tmp_path):
    chain = explain(lake.sources(), PASSAGE)
    write_crate(chain, tmp_path / "crate")
    result = crates.validate(tmp_path / "crate", crates.warm_cache(tmp_path / "cache"))
    assert [issue.message for issue in result.get_issues()] == []
    assert json.loads((tmp_path / "crate" / CHAIN).read_text()) == as_json(chain)
    assert (tmp_path / "crate" / TREE).read_text() == as_text(chain) + "\n"
    with pytest.raises(OutputExistsError, match="is there already"):
        write_crate(chain, tmp_path / "crate")


def test_every_link_is_an_entity_and_every_reference_leads_to_one(lake):
    chain = explain(lake.sources(), PASSAGE)
    graph = {node["@id"]: node for node in document(chain, {TREE: b""}, datetime.now(UTC))["@graph"]}
    assert {(each.kind, each.name) for each in walk(chain)} <= {
        tuple(each) for each in ((kind, node["identifier"]) for node in graph.values() for kind in kinds(node))
    }
    referred = {
        link["@id"]
        for node in graph.values()
        for value in node.values()
        for link in (value if isinstance(value, list) else [value])
        if isinstance(link, dict)
    }
    assert referred - set(graph) == {"https://w3id.org/ro/crate/1.1"}
    (made,) = [node for node in graph.values() if node["@type"] == "CreateAction" and node["identifier"] == "run-6"]
    assert made["result"] == {"@id": "#model%20version-gpt-0001"}
    assert made["instrument"]


def kinds(node):
    if "identifier" in node:
        yield node["name"].removesuffix(f" {node['identifier']}")


def test_the_command_ends_with_a_code_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("LAKEHOUSE_STORAGE", "folder")
    with pytest.raises(SystemExit) as ended:
        main(["explain", "nothing"])
    assert ended.value.code == UntraceableError.exit_code == 38
    assert "nothing that is published is called 'nothing'" in capsys.readouterr().err


def test_a_submission_that_was_refused_is_said_to_be(lake):
    other = {"dataset": "marks", "dataset_version": "1", "verdict": "refused", "content_sha256": "a" * 64}
    lake.publish(SUBMISSIONS, {**other, "submission": "marks@1"})
    with pytest.raises(UntraceableError, match=r"marks@1 was handed in and refused on .* the submission 'marks@1'"):
        explain(lake.sources(), "marks@1")
    with pytest.raises(UntraceableError, match="nothing that is published is called 'marks@2'"):
        explain(lake.sources(), "marks@2")


def test_a_dataset_without_a_version_is_answered_with_its_versions(lake):
    with pytest.raises(UntraceableError, match=r"lessons is a dataset, .*; name one: lessons@"):
        explain(lake.sources(), "lessons")


def test_a_table_leads_to_the_dataset_versions_in_it(lake):
    chain = explain(lake.sources(), "gold.documents")
    assert (chain.name, chain.gone) == (f"gold.documents@{lake.documents_snapshot()}", "")
    assert only(chain, "dataset version").facts["DataLad commit"] == COMMIT


def test_a_view_leads_to_its_tables_and_names_its_models(lake):
    view = View("kpi.licences", "select l.dataset from lakehouse.gold.token_shares as l")
    sources = lake.sources()
    sources = dataclasses.replace(
        sources, release=dataclasses.replace(sources.release, views={view.name: view}, model_version="gpt-0001")
    )
    chain = explain(sources, "kpi.licences")
    assert chain.facts["statement"] == view.sql
    assert chain.facts["model versions in it"] == "gpt-0001"
    assert chain.parts[0].name.startswith("gold.token_shares@")
    assert only(chain, "model version").facts["stage"] == "current"
