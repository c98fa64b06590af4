"""The asset graph as reviewers see it. After a wanted change: python tests/golden/test_asset_graph.py"""

import json
from pathlib import Path

import dagster as dg

GOLDEN = Path(__file__).with_name("asset_graph.json")


def described(defs: dg.Definitions) -> dict[str, object]:
    graph = defs.resolve_asset_graph()
    assets = {}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "group": node.group_name,
            "owners": sorted(node.owners),
            "kinds": sorted(node.kinds),
            "after": sorted(parent.to_user_string() for parent in node.parent_keys),
            "partitions": getattr(node.partitions_def, "name", None),
            "checks": sorted(check.name for check in node.check_keys),
            "description": node.description,
        }
    jobs = {
        name: sorted(key.to_user_string() for key in defs.resolve_job_def(name).asset_layer.executable_asset_keys)
        for name in ("classify", "ingest", "learn", "look_after", "maintain")
    }
    return {
        "assets": assets,
        "jobs": jobs,
        "schedules": {schedule.name: schedule.cron_schedule for schedule in defs.schedules},
        "sensors": {sensor.name: sensor.job_name for sensor in defs.sensors},
    }


def current(home: Path) -> str:
    from dagster_project.code_location import build
    from dagster_project.settings import load_settings

    settings = load_settings({"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_STORAGE": "folder"})
    return json.dumps(described(build(settings)), indent=1, sort_keys=True) + "\n"


def test_the_asset_graph_is_the_reviewed_one(tmp_path):
    assert current(tmp_path) == GOLDEN.read_text()


def test_loading_the_definitions_writes_nothing(tmp_path):
    current(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_asset_has_an_owner_a_group_and_a_description(tmp_path):
    assets = json.loads(current(tmp_path))["assets"]
    for name, asset in assets.items():
        assert asset["owners"], name
        assert asset["description"], name
        assert asset["group"] != "default", name


if __name__ == "__main__":
    GOLDEN.write_text(current(Path("nowhere")))
