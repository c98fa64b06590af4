"""What a person is told who asks for Spark where it cannot run."""

import hashlib
import sys
from pathlib import Path

import pytest

from dagster_project import bootstrap
from dagster_project.maintaining import maintain_now
from dagster_project.settings import load_settings
from dagster_project.wiring import care, catalog_place, spark
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


def test_spark_and_a_catalog_of_one_program_do_not_go_together(tmp_path):
    settings = load_settings(
        {"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_ENGINE": "spark", "LAKEHOUSE_STORAGE": "folder"}
    )
    with pytest.raises(UnknownSettingError, match=r"STORAGE is 'folder'.*ENGINE=local"):
        care(settings)


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


def test_jars_are_fetched_once_and_judged(tmp_path, monkeypatch, capsys):
    body = b"a jar"
    served = tmp_path / "served" / "org"
    served.mkdir(parents=True)
    (served / "a-1.jar").write_bytes(body)
    listed = tmp_path / "jars.txt"
    listed.write_text(f"# why\n{hashlib.sha256(body).hexdigest()}  org/a-1.jar\n")
    monkeypatch.setattr(bootstrap, "JARS_LIST", listed)
    monkeypatch.setattr(bootstrap, "MAVEN_CENTRAL", f"file://{tmp_path}/served/")
    assert bootstrap.fetch_jars(tmp_path / "jars") == 0
    assert (tmp_path / "jars" / "a-1.jar").read_bytes() == body
    (served / "a-1.jar").write_bytes(b"another")
    assert bootstrap.fetch_jars(tmp_path / "jars") == 0, "what is there is not fetched again"
    (tmp_path / "jars" / "a-1.jar").write_bytes(b"cut off")
    assert bootstrap.fetch_jars(tmp_path / "jars") == bootstrap.EXIT_INSTALL
    assert "is not the file it should be" in capsys.readouterr().err
    assert (tmp_path / "jars" / "a-1.jar").read_bytes() == b"cut off", "nothing wrong is put in its place"
