"""What Spark needs on this machine: pyspark, Java, and jars that are the very ones it was tried with."""

import hashlib
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from lakehouse.errors import NoJavaError, NoSparkError

JARS_LIST = Path(__file__).with_name("spark_jars.txt")
# Spark 3.5 is built for Java 8 to 17 and Iceberg 1.10 for 11 and newer. Java 24 took away what Hadoop logs in with
# (JEP 486).
OLDEST_JAVA, NEWEST_JAVA = 17, 23
VERSION = re.compile(r'version "(?:1\.)?([0-9]+)')
HOW_TO_GET_JAVA = (
    "install one (Debian, Ubuntu: `apt install openjdk-17-jre-headless`) and set JAVA_HOME to its folder if it is not "
    "the one on the path; LAKEHOUSE_ENGINE=local does without"
)
HOW_TO_GET_SPARK = "`make spark` fetches what is missing; LAKEHOUSE_ENGINE=local does without"


def require_pyspark() -> None:
    """Raise NoSparkError when pyspark is not installed in this environment."""
    if importlib.util.find_spec("pyspark") is None:
        raise NoSparkError(f"pyspark is not installed in this environment; {HOW_TO_GET_SPARK}")


def require_java(environment: Mapping[str, str]) -> int:
    """Return the version of the Java that Spark would start: of JAVA_HOME, else of the path.

    Raises:
        NoJavaError: there is none, it does not run, or it is too old or too new.
    """
    home = environment.get("JAVA_HOME", "")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java", path=environment.get("PATH", ""))
    if found is None:
        raise NoJavaError(
            f"Spark needs Java {OLDEST_JAVA}; JAVA_HOME is not set and no java is on the path; {HOW_TO_GET_JAVA}"
        )
    try:
        said = subprocess.run(  # noqa: S603 - the user's own Java
            [found, "-version"], capture_output=True, text=True, check=False, timeout=120, env=dict(environment)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoJavaError(
            f"Spark needs Java {OLDEST_JAVA}, and {found} cannot be run ({error}); {HOW_TO_GET_JAVA}"
        ) from error
    version = VERSION.search(said.stderr + said.stdout)
    if said.returncode or version is None:
        raise NoJavaError(
            f"Spark needs Java {OLDEST_JAVA}, and {found} -version ended with {said.returncode}: "
            f"{(said.stderr or said.stdout).strip()[:200]!r}; {HOW_TO_GET_JAVA}"
        )
    number = int(version[1])
    if not OLDEST_JAVA <= number <= NEWEST_JAVA:
        raise NoJavaError(
            f"Spark needs Java {OLDEST_JAVA} (up to {NEWEST_JAVA} runs), and {found} is Java {number}; "
            f"{HOW_TO_GET_JAVA}"
        )
    return number


def required_jars() -> dict[str, str]:
    """Return the SHA-256 of each jar by its file name."""
    lines = (line.split() for line in JARS_LIST.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#"))
    return {path.rsplit("/", 1)[-1]: digest for digest, path in lines}


def require_jars(folder: Path) -> list[Path]:
    """Return the jars that Spark loads.

    Raises:
        NoSparkError: one is missing, or is not the one that was asked for.
    """
    jars = []
    for name, digest in required_jars().items():
        path = folder / name
        if not path.is_file():
            raise NoSparkError(f"{path} is not there; {HOW_TO_GET_SPARK}")
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != digest:
            raise NoSparkError(f"{path} has the SHA-256 {found}, not {digest}; delete it, then {HOW_TO_GET_SPARK}")
        jars.append(path)
    return jars
