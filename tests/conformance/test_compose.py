"""compose.yaml: valid, pinned, watched, closed; and its pins agree with those of the bare machine."""

import copy
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dagster_project.settings import PROJECT, load_settings
from lakehouse.adapters import superset
from lakehouse.adapters.spark_needs import JARS_LIST
from tests.conformance.compose_checks import FOLDER, faults, read, with_beside

COMPOSE = read()
WITH_SPARK = with_beside(COMPOSE, "spark.yaml")
DOCKERFILES = sorted(FOLDER.rglob("Dockerfile"))


def test_the_compose_file_is_valid_pinned_watched_and_closed():
    assert faults(COMPOSE) == []


def test_it_is_so_too_where_the_flow_works_with_spark(drawn):
    assert faults(WITH_SPARK) == []
    code, worker = WITH_SPARK["services"]["code"], WITH_SPARK["services"]["spark-worker"]
    assert code["image"] == worker["image"] == WITH_SPARK["services"]["spark"]["image"], (
        "one Python, one code, one path"
    )
    assert code["build"] == worker.get("build", code["build"]) == WITH_SPARK["services"]["spark"]["build"]
    settings = load_settings(given(code, drawn))
    assert settings.engine == "spark"
    assert settings.spark_master == worker["command"][-1]
    assert settings.spark_host == "code"
    (home,) = re.findall(r"bootstrap\.py spark --home (\S+)", (FOLDER / "Dockerfile").read_text())
    assert settings.spark_jars == Path(home) / "tools" / "jars"


def test_it_names_every_part_of_the_cluster():
    wanted = {"minio", "postgres", "catalog", "dremio", "spark", "dagster", "daemon", "code", "superset", "prometheus"}
    assert wanted <= set(COMPOSE["services"])


BROKEN = {
    "a service without a health check": ("minio", "healthcheck", None, "minio: no health check"),
    "an image without a version": ("prometheus", "image", "prom/prometheus", "has no version"),
    "the latest image": ("prometheus", "image", "prom/prometheus:latest", "has no version"),
    "a port for everybody": ("minio", "ports", ["9000:9000"], "off loopback"),
    "a port on all addresses": ("minio", "ports", ["0.0.0.0:9000:9000"], "off loopback"),
    "a password in a variable": ("postgres", "environment", {"POSTGRES_PASSWORD": "x"}, "holds a secret's value"),
    "a password in an address": ("sql", "environment", {"A": "postgresql://u:p@h/d"}, "holds a password"),
    "a secret that is not given": ("sql", "secrets", [], "which it is not given"),
    "a service that runs as root": ("superset", "user", "0:0", "runs as 0:0"),
    "a writable file system": ("sql", "read_only", False, "can be written"),
    "rights that can be gained": ("sql", "cap_drop", [], "may gain rights"),
    "a service without limits": ("sql", "deploy", {}, "no limit of"),
    "a folder of the host": ("sql", "volumes", ["/etc:/etc"], "no named volume"),
    "a misspelt word": ("sql", "helthcheck", {}, "helthcheck"),
    "waiting for less than health": ("code", "depends_on", {"minio": {"condition": "service_started"}}, "only until"),
    "the state folder for a reader": ("sql", "volumes", ["state:/var/lib/lakehouse:ro"], "without writer_secret_key"),
    "silver's key for who makes no table": ("storage-setup", "volumes", ["state:/s:ro"], "has the keys of pseudonyms"),
    "Dagster's password for a reader": ("sql", "volumes", ["dagster:/d:ro"], "without dagster_password"),
    "the archive behind published pages": ("dagster", "volumes", ["state:/s:ro"], "asked by strangers and has"),
    "what a reader may write": ("catalogue", "volumes", ["policy:/p"], "may write the volume policy"),
    "a writer's key behind pages": ("dagster", "secrets", ["writer_secret_key"], "changes no table itself"),
    "the catalog's key of the daemon": ("daemon", "secrets", ["lake_password"], "has lake_password"),
    "the host's network": ("sql", "network_mode", "host", "host's network"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_fault_is_found(case):
    service, key, value, said = BROKEN[case]
    broken = copy.deepcopy(COMPOSE)
    broken["services"][service].pop(key, None)
    if value is not None:
        broken["services"][service][key] = value
    assert any(said in fault for fault in faults(broken)), faults(broken)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "secrets"
    for said in (f"{len(COMPOSE['secrets'])} secrets drawn", "0 secrets drawn"):
        done = subprocess.run(
            [sys.executable, str(FOLDER / "make_secrets.py"), "--folder", str(folder)],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.defpath},
        )
        assert said in done.stdout
    return folder


def test_every_secret_is_drawn_once_each_another_behind_a_closed_folder(drawn):
    assert {path.name for path in drawn.iterdir()} == set(COMPOSE["secrets"])
    assert stat.S_IMODE(drawn.stat().st_mode) == 0o700
    contents = {path.read_text() for path in drawn.iterdir()}
    assert len(contents) == len(COMPOSE["secrets"])
    assert min(map(len, contents)) >= 20


def own_services() -> list[str]:
    return [name for name, one in COMPOSE["services"].items() if one["image"] == "lakehouse:0.1.0"]


def given(service, drawn) -> dict[str, str]:
    """Return a service's environment, with its secrets in the folder where the test drew them."""
    return {name: str(value).replace("/run/secrets", str(drawn)) for name, value in service["environment"].items()}


@pytest.mark.parametrize("name", own_services())
def test_the_settings_of_our_services_are_settings(drawn, name):
    variables = given(COMPOSE["services"][name], drawn)
    settings = load_settings(variables)
    assert settings.storage == "external"
    assert settings.home == Path("/var/lib/lakehouse")
    for field, value in settings:
        if f"LAKEHOUSE_{field.upper()}_FILE" in variables:
            assert value.get_secret_value(), field


def test_a_person_can_start_who_finishes_a_withdrawal():
    steward, code = COMPOSE["services"]["steward"], COMPOSE["services"]["code"]
    own = {"steward_access_key", "steward_secret_key", "superset_database_password"}
    assert {*own, *code["secrets"]} == set(steward["secrets"])
    superset = COMPOSE["services"]["superset"]["environment"]["SUPERSET_METADATA_URI"]
    assert steward["environment"]["LAKEHOUSE_SUPERSET_DATABASE"] == superset.replace("+psycopg2", "")
    assert {"LAKEHOUSE_S3_STEWARD_ACCESS_KEY_FILE", "LAKEHOUSE_S3_STEWARD_SECRET_KEY_FILE"} <= set(
        steward["environment"]
    )
    assert steward["volumes"] == code["volumes"]
    assert steward["pid"] == "service:code"  # where a run's process is not seen, the run would be taken for dead
    assert steward["restart"] == "no"  # exit code 86 is to wait for a date
    others = [name for name, one in COMPOSE["services"].items() if "steward_secret_key" in one.get("secrets", ())]
    assert set(others) == {"steward", "storage-setup"}


def test_folders_that_volumes_are_mounted_on_are_ours_in_the_image():
    made = re.search(r"install -d -o lakehouse -g lakehouse ((?:[^&\n\\]|\\\n)+)", (FOLDER / "Dockerfile").read_text())
    folders = made[1].replace("\\", " ").split()
    for name in own_services():
        for volume in COMPOSE["services"][name].get("volumes", ()):
            assert volume.split(":")[1] in [*folders, "/tmp"], (name, volume)


def test_rows_that_wait_for_their_judgement_lie_on_a_disk():
    for name, service in COMPOSE["services"].items():
        mounted = [volume.split(":")[1] for volume in service.get("volumes", ())]
        assert ("/var/lib/lakehouse" in mounted) <= ("/tmp" in mounted), name
        assert not set(mounted) & {place.split(":")[0] for place in service.get("tmpfs", ())}, name


def test_superset_is_served_as_on_the_bare_machine():
    service = COMPOSE["services"]["superset"]
    wanted = superset.command(Path("/opt/environment/superset-venv"), host="0.0.0.0", port=8088)
    folder = str(superset.FOLDER)
    assert service["command"] == [word.replace(folder, "/opt/lakehouse/superset") for word in wanted]
    assert COMPOSE["services"]["superset-setup"]["command"] == [
        word.replace(folder, "/opt/lakehouse/superset")
        for word in superset.provision_command(Path("/opt/environment/superset-venv"))
    ]


def test_minio_is_the_commit_that_the_bare_machine_builds():
    (pinned,) = re.findall(r"^MINIO\s*:= (\S+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    (built,) = re.findall(r"^ARG MINIO=(\S+)$", (FOLDER / "minio" / "Dockerfile").read_text(), re.MULTILINE)
    assert built == pinned
    assert COMPOSE["services"]["minio"]["image"].partition(":")[2] == pinned.rpartition("-")[2]


def test_prometheus_is_the_version_that_can_be_built_here():
    """Prometheus 3.5.0 is v0.305.0 as a Go module."""
    (major, minor, patch) = re.findall(
        r"^PROMETHEUS := github\.com/prometheus/prometheus@v0\.(\d)(\d\d)\.(\d+)$",
        (PROJECT / "Makefile").read_text(),
        re.MULTILINE,
    )[0]
    assert COMPOSE["services"]["prometheus"]["image"] == f"prom/prometheus:v{major}.{int(minor)}.{patch}"


def test_our_images_carry_the_versions_they_are_built_from():
    spark = (PROJECT / "requirements-spark.lock").read_text()
    assert re.findall(r"^pyspark==(\S+)", spark, re.MULTILINE) == [
        COMPOSE["services"]["spark"]["image"].partition(":")[2]
    ]
    pom, jars = (FOLDER / "catalog" / "pom.xml").read_text(), JARS_LIST.read_text()
    iceberg = {
        *re.findall(r"<artifactId>iceberg-.*?<version>(.*?)<", pom),
        *re.findall(r"/iceberg-[^/]+/([^/]+)/", jars),
    }
    assert iceberg == {COMPOSE["services"]["catalog"]["image"].partition(":")[2]}
    project = (PROJECT / "pyproject.toml").read_text()
    assert f'version = "{COMPOSE["services"]["code"]["image"].partition(":")[2]}"' in project


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_images_are_built_from_versions_by_hash_and_run_as_somebody_else_than_root(path):
    text = path.read_text()
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
    names = {name for _, name in stages}
    for image, _ in stages:
        assert image in names or re.search(r":\d+\.\d+\.\d+|:\d+\.\d+-slim", image), image
    assert re.findall(r"^USER (\d+):\1$", text, re.MULTILINE), "runs as root"
    for line in re.findall(r"pip install.*", text):
        assert "--require-hashes" in line


def test_prometheus_scrapes_services_that_there_are():
    scrapes = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())
    for job in scrapes["scrape_configs"]:
        for target in (one for group in job["static_configs"] for one in group["targets"]):
            host = target.partition(":")[0]
            assert host == "127.0.0.1" or host in COMPOSE["services"], target
