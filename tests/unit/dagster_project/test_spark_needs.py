"""What a person is told who asks for Spark where it cannot run."""

import hashlib
import sys
from pathlib import Path

import pytest

from dagster_project import bootstrap
from dagster_project.maintaining import maintain_now
from dagster_project.settings import load_settings
from dagster_project.wiring import care, catalog_place, engine, spark
from lakehouse.adapters import spark_needs
from lakehouse.adapters.iceberg_upkeep import IcebergUpkeep
from lakehouse.adapters.spark_needs import require_jars, require_java, require_pyspark, required_jars
from lakehouse.errors import NoJavaError, NoSparkError, UnknownSettingError

SPARK = {
    "LAKEHOUSE_ENGINE": "spark",
    "LAKEHOUSE_STORAGE": "external",
    "LAKEHOUSE_S3_ENDPOINT": "127.0.0.1:9",
    "LAKEHOUSE_CATALOG_URI": "postgresql://lake@db.example.org/lake?sslmode=verify-full",
    "LAKEHOUSE_CATALOG_PASSWORD": "hush-hush",
    "LAKEHOUSE_S3_SECRET_KEY": "hush-too",
}


def a_java(folder: Path, says: str, status: int = 0) -> dict[str, str]:
    """Make a program that answers like a Java; return the environment in which it is JAVA_HOME."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    program.chmod(0o755)
    return {"JAVA_HOME": str(folder), "PATH": "/usr/bin:/bin"}


def test_without_java_one_is_told_how_to_get_it(tmp_path):
    with pytest.raises(NoJavaError, match=r"no java is on the path; install one .*openjdk-17.*ENGINE=local") as caught:
        require_java({"PATH": str(tmp_path)})
    assert caught.value.exit_code == 65


def test_a_java_home_without_java_is_named(tmp_path):
    with pytest.raises(NoJavaError, match=str(tmp_path)):
        require_java({"JAVA_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize(
    ("says", "complaint"),
    [
        ('java version "1.8.0_402"', "is Java 8"),
        ('openjdk version "11.0.22" 2024-01-16', "is Java 11"),
        ('openjdk version "24" 2025-03-18', "is Java 24"),
        ("this is no java", "ended with 0"),
    ],
)
def test_a_java_that_does_not_fit_is_named_with_its_version(tmp_path, says, complaint):
    with pytest.raises(NoJavaError, match=complaint):
        require_java(a_java(tmp_path, says))


def test_a_java_that_fails_is_quoted(tmp_path):
    with pytest.raises(NoJavaError, match="ended with 1: 'Error: could not create the Java Virtual Machine"):
        require_java(a_java(tmp_path, "Error: could not create the Java Virtual Machine", status=1))


def test_java_17_to_23_is_taken(tmp_path):
    assert require_java(a_java(tmp_path / "17", 'openjdk version "17.0.15" 2025-04-15')) == 17
    assert require_java(a_java(tmp_path / "23", 'openjdk version "23" 2024-09-17')) == 23


def test_without_pyspark_one_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setattr(spark_needs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NoSparkError, match="make spark") as caught:
        require_pyspark()
    assert caught.value.exit_code == 66


def test_a_missing_and_a_wrong_jar_are_named(tmp_path):
    first = next(iter(required_jars()))
    with pytest.raises(NoSparkError, match=f"{first} is not there; `make spark`"):
        require_jars(tmp_path)
    (tmp_path / first).write_bytes(b"no jar")
    with pytest.raises(NoSparkError, match=rf"{first} has the SHA-256 {hashlib.sha256(b'no jar').hexdigest()}, not"):
        require_jars(tmp_path)


def test_the_command_stops_before_it_touches_a_table(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(NoJavaError):
        maintain_now(load_settings({**SPARK, "LAKEHOUSE_HOME": str(tmp_path)}))


@pytest.mark.parametrize(
    "storage",
    [
        {"LAKEHOUSE_STORAGE": "folder"},
        {"LAKEHOUSE_STORAGE": "bundled", "LAKEHOUSE_CATALOG_URI": ""},
        {"LAKEHOUSE_STORAGE": "external", "LAKEHOUSE_CATALOG_URI": "http://127.0.0.1:9"},
    ],
)
def test_spark_goes_with_a_catalog_in_postgresql_alone(tmp_path, storage):
    settings = load_settings({**SPARK, "LAKEHOUSE_HOME": str(tmp_path), **storage})
    for use in (care, engine, spark):
        with pytest.raises(UnknownSettingError, match=r"needs a catalog in PostgreSQL.*ENGINE=local"):
            use(settings)


def test_the_engine_is_chosen_by_its_name(tmp_path):
    from lakehouse.adapters.spark_upkeep import SparkUpkeep

    chosen = {**SPARK, "LAKEHOUSE_HOME": str(tmp_path)}
    assert type(care(load_settings(chosen))) is SparkUpkeep
    assert type(care(load_settings({**chosen, "LAKEHOUSE_ENGINE": "local"}))) is IcebergUpkeep


def test_spark_is_told_the_address_that_python_is_told_and_shows_no_secret(tmp_path):
    settings = load_settings({**SPARK, "LAKEHOUSE_HOME": str(tmp_path)})
    options = catalog_place(settings).options()
    assert options["uri"] == "jdbc:postgresql://db.example.org/lake?sslmode=verify-full"
    assert (options["jdbc.user"], options["jdbc.password"]) == ("lake", "hush-hush")
    assert options["cache-enabled"] == "false"
    assert "hush" not in repr(spark(settings))


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Have one jar in the list, which nobody serves; return a function that puts it where it is told."""
    body = b"a jar"
    where = tmp_path / "jars.txt"
    where.write_text(f"# why\n{hashlib.sha256(body).hexdigest()}  org/a-1.jar\n")
    monkeypatch.setattr(bootstrap, "JARS_LIST", where)
    monkeypatch.setattr(bootstrap, "MAVEN_CENTRAL", (tmp_path / "central").as_uri())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def serve(folder, content=body):
        (tmp_path / folder / "org").mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "org" / "a-1.jar").write_bytes(content)

    return serve


def setting_up(target, home, monkeypatch):
    """Return the exit code of bootstrap where its environments are there already."""
    monkeypatch.setattr(bootstrap, "install", lambda environments, home: 0)
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", target, "--home", str(home)])
    return bootstrap.main()


def test_jars_are_fetched_once_and_judged(tmp_path, listed):
    jar = tmp_path / "jars" / "a-1.jar"
    listed("central")
    bootstrap.fetch_jars(jar.parent)
    assert jar.read_bytes() == b"a jar"
    listed("central", b"another")
    bootstrap.fetch_jars(jar.parent)  # what is there is not fetched again
    jar.write_bytes(b"cut off")
    with pytest.raises(OSError, match="is not the file it should be"):
        bootstrap.fetch_jars(jar.parent)
    assert jar.read_bytes() == b"cut off", "nothing wrong is put in its place"


def test_jars_that_maven_has_are_taken_when_they_are_the_right_ones(tmp_path, listed):
    listed("home/.m2/repository", b"another")
    with pytest.raises(OSError, match=r"central/org/a-1\.jar cannot be fetched"):
        bootstrap.fetch_jars(tmp_path / "jars")
    listed("home/.m2/repository")
    bootstrap.fetch_jars(tmp_path / "jars")
    assert (tmp_path / "jars" / "a-1.jar").read_bytes() == b"a jar"


@pytest.mark.parametrize("space", ["", ' xmlns="http://maven.apache.org/SETTINGS/1.2.0"'])
@pytest.mark.parametrize("whose", ["central", "*", "external:*,!inner"])
def test_a_mirror_in_mavens_settings_is_asked(tmp_path, listed, space, whose):
    mirror = f"<mirror><mirrorOf>{whose}</mirrorOf><url>{(tmp_path / 'mirror').as_uri()}/</url></mirror>"
    other = "<mirror><mirrorOf>external:http:*</mirrorOf><url>http://0.0.0.0/</url></mirror>"
    listed("mirror")
    listed("home/.m2", b"")
    settings = tmp_path / "home" / ".m2" / "settings.xml"
    settings.write_text(f"<settings{space}><mirrors>{other}{mirror}</mirrors></settings>")
    bootstrap.fetch_jars(tmp_path / "jars")
    assert (tmp_path / "jars" / "a-1.jar").read_bytes() == b"a jar"


@pytest.mark.parametrize("settings", [None, "<settings", "<a><mirrorOf>*</mirrorOf><url>${env.MIRROR}</url></a>"])
def test_without_its_jars_tests_go_on_and_spark_does_not(tmp_path, listed, monkeypatch, capsys, settings):
    for name, value in a_java(tmp_path / "java", "").items():
        monkeypatch.setenv(name, value)
    if settings:
        listed("home/.m2", b"")
        (tmp_path / "home" / ".m2" / "settings.xml").write_text(settings)
    assert setting_up("test", tmp_path / "lake", monkeypatch) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("  Spark's tests will be skipped: ")] == said[-1:]
    assert setting_up("spark", tmp_path / "lake", monkeypatch) == bootstrap.EXIT_INSTALL
    assert "Spark cannot run without this jar: " in capsys.readouterr().err


def test_without_java_tests_go_on_and_fetch_nothing(tmp_path, listed, monkeypatch, capsys):
    listed("central")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert setting_up("test", tmp_path / "lake", monkeypatch) == 0
    assert capsys.readouterr().out.startswith("  No Java here, so Spark's tests will be skipped")
    assert not (tmp_path / "lake").exists()
    assert setting_up("spark", tmp_path / "lake", monkeypatch) == 0, "its jars can be had; Java is asked for later"
    assert (tmp_path / "lake" / "tools" / "jars" / "a-1.jar").is_file()


def test_the_demo_fetches_no_jar(tmp_path, listed, monkeypatch):
    listed("central")
    assert setting_up("demo", tmp_path / "lake", monkeypatch) == 0
    assert not (tmp_path / "lake").exists()
    assert "pyspark" not in bootstrap.LAKEHOUSE.lock.read_text()


@pytest.mark.parametrize(
    "address", ["http://ada:hidden-pw@127.0.0.1:9/repo", "http://ada:hidden-pw@127.0.0.1:none/repo"]
)
def test_the_password_of_a_mirror_is_not_shown(listed, tmp_path, address):
    settings = tmp_path / ".m2" / "settings.xml"
    settings.parent.mkdir()
    mirror = f"<mirror><mirrorOf>*</mirrorOf><url>{address}</url></mirror>"
    settings.write_text(f"<settings><mirrors>{mirror}</mirrors></settings>")
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:.*/repo/.* cannot be fetched") as caught:
        bootstrap.fetch_jars(tmp_path / "jars", tmp_path)
    assert "hidden-pw" not in str(caught.value)
    assert "ada" not in str(caught.value)


def test_a_snapshot_that_two_lists_tell_is_read_once():
    from pyiceberg.table.snapshots import Snapshot

    from lakehouse.adapters.spark_upkeep import _once

    one, two = (Snapshot(snapshot_id=n, timestamp_ms=0, manifest_list="") for n in (1, 2))
    assert [kept.snapshot_id for kept in _once([one, two], [one])] == [1, 2]
