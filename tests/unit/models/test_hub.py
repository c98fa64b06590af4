"""A base of the hub: asked for by name only, pinned to a commit, compared by hash, and nothing in it runs."""

import json
import shutil

import pytest

from assets.bases import Bases
from dagster_project.cli import main
from lakehouse.errors import PurposeError
from models.errors import CheckpointError, HubError
from models.hub import Hub, base_name, hub_name, hub_record, weights_sha256
from models.instruct_store import load_causal
from tests.contract.hub_double import COMMIT, NAME, OLD, TOKEN, hub_double
from tests.unit.models.test_instruct import made

PINNED = f"hub:{NAME}@{COMMIT}"
OURS = ("recipe.json", "training.json", "SHA256SUMS")
"""What our checkpoints have beside a published one's files."""
RUNS = {"pytorch_model.bin": b"pickled", "modeling_tiny.py": b"raise SystemExit", "README.md": b"A card."}


@pytest.fixture
def hub(checkpoint):
    with hub_double() as shelf:
        shelf.put(checkpoint, without=OURS, more=RUNS)
        yield shelf


@pytest.fixture
def bases(hub, tmp_path):
    return Bases(Hub(hub.url), tmp_path / "hub")


def test_a_commit_is_fetched_once_with_nothing_that_runs_and_opens_as_a_base(hub, bases, checkpoint):
    told = []
    folder = bases.folder(PINNED, told.append)
    names = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "hub.json", "SHA256SUMS"}
    assert {path.name for path in folder.iterdir()} == names
    assert not [each for each in hub.asked if each.endswith((".bin", ".py", ".md"))]
    assert not [
        each for each in hub.asked if "/api/models/" not in each and "resolve" not in each and "large" not in each
    ]
    assert hub_record(folder)["base_hub"] == {
        "hub": hub.url, "repository": NAME, "commit": COMMIT, "licence": "apache-2.0"
    }  # fmt: skip
    assert base_name(folder) == PINNED
    assert weights_sha256(folder) == weights_sha256(checkpoint)
    assert load_causal(folder).name == folder.name
    assert told == [f"fetching {PINNED}: 4 files, {sum_of(folder) / 1e6:.1f} MB", f"base: {PINNED}, licence apache-2.0"]

    hub.asked.clear()
    assert bases.folder(PINNED) == folder
    assert hub.asked == [], "a commit that is here is not asked for"
    assert [path.name for path in bases.root.iterdir()] == [folder.name], "nothing half-fetched and no lock stays"

    (folder / "config.json").chmod(0o644)
    (folder / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="not what was written"):
        bases.folder(PINNED)


def sum_of(folder):
    return sum(path.stat().st_size for path in folder.iterdir() if path.name not in ("hub.json", "SHA256SUMS"))


def test_a_commit_of_one_hub_is_not_taken_for_that_of_another(hub, bases):
    bases.folder(PINNED)
    hub.asked.clear()
    with pytest.raises(HubError, match=f"was fetched from {hub.url}, not from https://hub.example; move"):
        Bases(Hub("https://hub.example"), bases.root).folder(PINNED)
    assert hub.asked == []


def test_a_branch_is_pinned_to_the_commit_that_it_is_now(hub, bases, checkpoint):
    hub.put(checkpoint, commit=OLD, without=OURS)
    first = bases.folder(f"hub:{NAME}@main")
    hub.put(checkpoint, without=OURS)
    second = bases.folder(f"hub:{NAME}@main")
    assert (base_name(first), base_name(second)) == (f"hub:{NAME}@{OLD}", PINNED)


def test_weights_in_parts_are_fetched_with_all_of_their_parts(hub, bases):
    whole = hub.commits[COMMIT].pop("model.safetensors")
    parts = {"model.safetensors.index.json": b"{}", "model-00001-of-00001.safetensors": whole}
    hub.commits[COMMIT] |= parts
    folder = bases.folder(PINNED)
    assert parts.keys() < {path.name for path in folder.iterdir()}
    hub.commits[COMMIT]["model-00001-of-00001.safetensors"] = whole + b" "
    shutil.rmtree(folder)
    assert weights_sha256(bases.folder(PINNED)) != weights_sha256_of(whole)


def weights_sha256_of(content):
    import hashlib

    name = "model-00001-of-00001.safetensors"
    return hashlib.sha256(f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()).hexdigest()


def without_weights(hub):
    del hub.commits[COMMIT]["model.safetensors"]


def without_tokenizer(hub):
    del hub.commits[COMMIT]["tokenizer.json"]


def gated(hub):
    hub.gated = "manual"


def spoilt_weights(hub):
    hub.spoilt.add("model.safetensors")


def spoilt_tokenizer(hub):
    hub.spoilt.add("tokenizer.json")


def cut_weights(hub):
    hub.cut["model.safetensors"] = 1


def cut_tokenizer(hub):
    hub.cut["tokenizer.json"] = 1


def endless_tokenizer(hub):
    hub.cut["tokenizer.json"] = -1000


def no_sizes(hub):
    hub.sizes = False


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (cut_weights, r"gave .* cut short or otherwise than it said \(Consistency check failed: .*; run this again"),
        (cut_tokenizer, r"gave .* cut short or otherwise than it said \(Consistency check failed: .*; run this again"),
        (endless_tokenizer, r"more of tokenizer.json of .* came than the \d+ bytes that are listed"),
        (no_sizes, r"lists no size of config.json of "),
        (without_weights, r"its weights only as pytorch_model.bin, which may run code .* only safetensors are fetched"),
        (without_tokenizer, r"has no tokenizer.json; .* fast form"),
        (gated, r"is gated: .*/school/tiny; agree there, then set LAKEHOUSE_HUB_TOKEN"),
        (spoilt_weights, r"model.safetensors of .* is not what .* lists"),
        (spoilt_tokenizer, r"tokenizer.json of .* is not what .* lists"),
    ],
)
def test_what_cannot_be_used_is_said_and_nothing_stays(hub, bases, fault, said):
    fault(hub)
    with pytest.raises(HubError, match=said):
        bases.folder(PINNED)
    assert not bases.root.exists() or not list(bases.root.iterdir())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (f"hub:{NAME}@{'c' * 40}", "has no revision cccc"),
        (f"hub:{NAME}@v9", "has no revision v9"),
        (f"hub:school/other@{COMMIT}", "shows no model school/other: it is spelt otherwise, or private"),
        (f"hub:{NAME}", "names no checkpoint of the hub; write hub:OWNER/NAME@REVISION"),
        ("hub:tiny@main", "names no checkpoint"),
        (f"hub:../{NAME}@main", "names no checkpoint"),
        (f"hub:{NAME}@../../main", "names no checkpoint"),
    ],
)
def test_a_name_that_means_nothing_is_said(bases, given, said):
    with pytest.raises(HubError, match=said):
        bases.folder(given)


@pytest.mark.parametrize("repository", ["a--b/c", "a/x.git", ".a/b", "a/" + "b" * 97])
def test_a_name_that_no_hub_can_have_is_said(bases, repository):
    with pytest.raises(HubError, match="is no name that a hub can have"):
        bases.folder(f"hub:{repository}@{'0' * 40}")


def test_a_token_opens_what_is_gated_and_one_that_does_not_is_said(hub, tmp_path):
    hub.gated = "auto"
    with pytest.raises(HubError, match="is gated"):
        Bases(Hub(hub.url, "hf_wrong"), tmp_path / "hub").folder(PINNED)
    assert Bases(Hub(hub.url, TOKEN), tmp_path / "hub").folder(PINNED).is_dir()
    assert TOKEN not in (tmp_path / "hub" / hub_name(PINNED).folder / "hub.json").read_text()


def test_size_licence_and_a_hub_out_of_reach(hub, bases, tmp_path):
    with pytest.raises(HubError, match=r"GB to fetch, and 0.00 are allowed; .* LAKEHOUSE_HUB_LARGEST_GB"):
        Bases(Hub(hub.url, largest_bytes=1000), tmp_path / "small").folder(PINNED)
    for card, told in (({"license": "other", "license_name": "tiny-1"}, "tiny-1"), ({}, "none"),
                       ({"license": ["mit", "cc-by-nd-4.0"]}, "mit AND cc-by-nd-4.0")):  # fmt: skip
        hub.card = card
        with pytest.raises(PurposeError, match=f"add {told} to LAKEHOUSE_HUB_LICENCES"):
            bases.folder(PINNED)
    assert not [each for each in hub.asked if "resolve" in each], "nothing is fetched before its terms are asked"
    accepting = Bases(bases.hub, bases.root, frozenset({"mit AND cc-by-nd-4.0"}))
    assert accepting.folder(PINNED).is_dir()
    with pytest.raises(PurposeError, match="cc-by-nd"):  # asked again of what is here
        bases.folder(PINNED)
    with pytest.raises(HubError, match=r"could not be asked for .*see whether this machine may reach it"):
        Bases(Hub("http://127.0.0.1:9"), tmp_path / "away").folder(PINNED)


def test_the_command_records_the_commit_of_its_base(hub, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": str(tmp_path / "home"), "HUB_URL": hub.url, "STORAGE": "folder"}.items():
        monkeypatch.setenv(f"LAKEHOUSE_{name}", value)
    told = json.loads(hub.commits[COMMIT]["config.json"]) | {"max_position_embeddings": 64}
    hub.commits[COMMIT]["config.json"] = json.dumps(told).encode()
    rows = [{"instruction": each.asked, "response": each.response, "group": each.group, "split": each.split}
            for each in made()]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "recipe.json").write_text('{"context": 64, "batch": 8, "epochs": 2, "base_rate": 0.005}')
    arguments = ["finetune", "instruct", "rows.jsonl", "--base", PINNED, "--out", "tutor", "--recipe", "recipe.json",
          "--group", "group", "--split", "split", "--threads", "1"]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code
    assert f"base: {PINNED}, licence apache-2.0" in capsys.readouterr().err
    record = json.loads((tmp_path / "tutor" / "instruct.json").read_text())
    assert (record["base_hub"]["commit"], record["base_hub"]["licence"]) == (COMMIT, "apache-2.0")
