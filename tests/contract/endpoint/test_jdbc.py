"""The JDBC driver for Flight SQL, which DBeaver and other desktop tools bring, talks to the endpoint unchanged."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DRIVER = "org.apache.arrow:flight-sql-jdbc-driver:18.3.0"
# Compiling well costs more than these few calls save.
LEAN = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
FOLDER = ".m2/repository/org/apache/arrow/flight-sql-jdbc-driver"


@pytest.fixture(scope="module")
def driver() -> Path:
    jars = sorted(Path.home().glob(f"{FOLDER}/*/flight-sql-jdbc-driver-*.jar"))
    if shutil.which("java") is None or not jars:
        pytest.skip(f"needs Java and the driver: mvn dependency:get -Dartifact={DRIVER} -Dtransitive=false")
    return jars[-1]


def probe(driver, server, user, password, *statements):
    java = ["java", *LEAN, "--add-opens=java.base/java.nio=ALL-UNNAMED", "-cp", driver, HERE / "JdbcProbe.java"]
    address = server.uri.replace("grpc://", "jdbc:arrow-flight-sql://")
    done = subprocess.run(
        [*java, address, user, password, *statements],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    answers: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        word, _, rest = line.partition(" ")
        answers.setdefault(word, []).append(rest)
    return done, answers


@pytest.mark.slow
def test_a_jdbc_tool_browses_asks_and_prepares(driver, server):
    done, answers = probe(
        driver,
        server,
        "ada",
        "correct horse battery 1",
        "select 7/2 as a, cast('2026-01-02 03:04:05' as timestamp) as b, 1.5 as c, null as d, true as e",
        "select nothing from lakehouse.silver.nowhere",
        'select min("year") as first_year from lakehouse.silver.college_scorecard_outcomes',
    )
    assert done.returncode == 0, done.stderr
    (schemas,), (tables,), (columns,) = answers["schema"], answers["table"], answers["column"]
    assert {"lakehouse.silver", "INFORMATION_SCHEMA"} <= set(schemas.split())
    assert {"college_scorecard_outcomes", "submissions"} <= set(tables.split())
    assert {"unitid", "year", "earnings_med"} <= set(columns.split())
    assert answers["type"] == ["SYSTEM_TABLE TABLE VIEW"]
    assert answers["row"][0] == "3 2026-01-02 03:04:05.0 1.5 null true"
    assert answers["row"][1] == "2007"
    assert "nowhere" in answers["error"][0]
    assert answers["prepared"] == ["40"]


@pytest.mark.slow
def test_a_wrong_password_is_told_to_the_tool(driver, server):
    done, _ = probe(driver, server, "ada", "wrong horse 2")
    assert done.returncode != 0
    assert "authenticate" in done.stderr.lower()
