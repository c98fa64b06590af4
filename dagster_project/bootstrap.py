"""Sets up a fresh machine with nothing but Python's standard library: environments under the state folder.

Run by `make`; usable alone: ``python3 dagster_project/bootstrap.py demo``. Each environment is installed from its
hashed lock file and stamped with that file's hash, so a second run finds nothing to do.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

PROJECT = Path(__file__).resolve().parent.parent
if not __package__:
    sys.path.insert(0, str(PROJECT))  # run as a script, before anything is installed
from dagster_project.doing import being_done, doing  # noqa: E402

OLDEST, NEWEST = (3, 11), (3, 13)
UV = "uv>=0.9"
EXIT_NO_PYTHON, EXIT_NO_VENV, EXIT_INSTALL = 60, 61, 62


class Environment(NamedTuple):
    """A virtual environment: its folder's name, its lock file, why it exists, and a rough time for a cold install."""

    folder: str
    lock: Path
    why: str
    about_seconds: int
    with_project: bool


LAKEHOUSE = Environment(
    "venv",
    PROJECT / "requirements.lock",
    "Dagster, Iceberg, DataLad, SeaweedFS, DuckDB, PyTorch",
    120,
    with_project=True,
)
TESTS = Environment(
    "venv", PROJECT / "requirements-dev.lock", "the same, and the test and lint tools", 130, with_project=True
)
SUPERSET = Environment(
    "superset-venv",
    PROJECT / "superset" / "requirements.lock",
    "Superset, which needs older libraries",
    60,
    with_project=False,
)
SUPERSET_TESTS = Environment(
    "superset-venv",
    PROJECT / "superset" / "requirements-dev.lock",
    "the same, and a client that the SQL endpoint is tested with",
    60,
    with_project=False,
)
SPARK = Environment(
    "venv", PROJECT / "requirements-spark.lock", "the lakehouse, and Spark (pyspark, 330 MB)", 240, with_project=True
)
TARGETS = {
    "demo": (LAKEHOUSE, SUPERSET),
    "test": (TESTS, SUPERSET_TESTS),
    "lakehouse": (LAKEHOUSE,),
    "superset": (SUPERSET,),
    "spark": (SPARK,),
}
# What also satisfies an environment, because it holds more.
WITH_MORE = {LAKEHOUSE: (SPARK, TESTS), SPARK: (TESTS,), SUPERSET: (SUPERSET_TESTS,)}
STATUS = "status"
JARS_LIST = PROJECT / "lakehouse" / "adapters" / "spark_jars.txt"
MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
JAR_SECONDS = 60.0


def main() -> int:
    """Install the environments of a target; return the exit code."""
    parser = argparse.ArgumentParser(
        description="Install what a target needs.", epilog="example: python3 dagster_project/bootstrap.py demo"
    )
    parser.add_argument("target", choices=[*sorted(TARGETS), STATUS])
    parser.add_argument("--home", default=os.environ.get("LAKEHOUSE_HOME", ".lakehouse"))
    arguments = parser.parse_args()
    home = (PROJECT / arguments.home).resolve()
    if arguments.target == STATUS:
        return tell_status(home)
    code = install(TARGETS[arguments.target], home)
    if code == 0 and arguments.target == "spark":
        code = _need_jars(home / "tools" / "jars")
    elif code == 0 and arguments.target == "test":
        _try_jars(home / "tools" / "jars")
    return code


def tell_status(home: Path) -> int:
    """Say what is being installed, where the command that could tell more is not there yet; return 1."""
    work = being_done(home)
    print("\n".join(work) if work else "nothing is installed yet, so nothing runs; make demo or make up installs it")
    return 1


def install(environments: tuple[Environment, ...], home: Path) -> int:
    """Install each environment that is not up to date; print what, why and how long."""
    todo = [environment for environment in environments if not _current(environment, home)]
    if not todo:
        return 0
    python = find_python()
    if python is None:
        print(
            f"No Python {_dotted(OLDEST)} to {_dotted(NEWEST)} found; this one is {_dotted(sys.version_info[:2])}. "
            "Install one (Debian, Ubuntu: `apt install python3 python3-venv`) and run the same command again.",
            file=sys.stderr,
        )
        return EXIT_NO_PYTHON
    print(f"Setting up under {home} (nothing outside it is changed, but for the package cache):")
    with doing(home, "setup") as say:
        for number, environment in enumerate(todo, start=1):
            print(f"  {number}/{len(todo)} {environment.folder}: {environment.why}", flush=True)
            say(f"installing environment {number} of {len(todo)}, {environment.folder}: {environment.why}")
            code = _install_one(environment, home, python)
            if code:
                return code
    return 0


def _need_jars(folder: Path) -> int:
    try:
        fetch_jars(folder)
    except OSError as error:
        print(f"  Spark cannot run without this jar: {error}. Mend that and run again.", file=sys.stderr)
        return EXIT_INSTALL
    return 0


def _try_jars(folder: Path) -> None:
    """Fetch the jars of Spark's tests where they can be had; its tests are skipped where they cannot, and say why."""
    home = os.environ.get("JAVA_HOME", "")
    if shutil.which("java", path=str(Path(home) / "bin") if home else None) is None:
        print("  No Java here, so Spark's tests will be skipped (Debian, Ubuntu: openjdk-17-jre-headless).", flush=True)
        return
    try:
        fetch_jars(folder)
    except OSError as error:
        print(f"  Spark's tests will be skipped: {error}.", flush=True)


def fetch_jars(folder: Path, user: Path | None = None) -> None:
    """Put the jars that Spark loads into a folder, each judged by its hash, unless they are there.

    They come from the local repository of Maven, ``~/.m2``, else from the mirror its settings name, else from Maven
    Central. Raises OSError for the first that cannot be had, or is not the very file it should be.
    """
    maven = (user or Path.home()) / ".m2"
    folder.mkdir(parents=True, exist_ok=True)
    for line in JARS_LIST.read_text(encoding="utf-8").splitlines():
        if line[:1] in ("", "#"):
            continue
        digest, path = line.split()
        jar = folder / path.rsplit("/", 1)[-1]
        if _sha256(jar) == digest:
            continue
        local = maven / "repository" / path
        address = local.as_uri() if _sha256(local) == digest else f"{_repository(maven)}/{path}"
        print(f"  fetching {jar.name} for Spark", flush=True)
        body = _fetched(address)
        if hashlib.sha256(body).hexdigest() != digest:
            raise OSError(f"{_shown(address)} is not the file it should be (SHA-256 {digest})")
        part = jar.with_suffix(".part")
        part.write_bytes(body)
        part.replace(jar)


def _repository(maven: Path) -> str:
    """Return the address of the mirror of Maven Central in Maven's settings, else of Maven Central itself."""
    settings = maven / "settings.xml"
    try:
        parts = ElementTree.parse(settings).iter() if settings.is_file() else ()  # noqa: S314 - the user's own file
    except ElementTree.ParseError as error:
        raise OSError(f"{settings} is no XML ({error})") from error
    for part in parts:
        told = {one.tag.rpartition("}")[2]: (one.text or "").strip() for one in part}
        mirrored = {one.strip() for one in told.get("mirrorOf", "").split(",")}
        if mirrored & {"*", "central", "external:*"} and "!central" not in mirrored:
            return told.get("url", "").rstrip("/")
    return MAVEN_CENTRAL


def _fetched(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=JAR_SECONDS) as answer:  # noqa: S310 - the user's own choice
            body: bytes = answer.read()
    except (OSError, HTTPException, ValueError) as error:
        # What the library quotes of an address that it cannot read may hold the password too.
        why = str(error) if isinstance(error, OSError) else type(error).__name__
        raise OSError(f"{_shown(address)} cannot be fetched ({why})") from None
    return body


def _shown(address: str) -> str:
    """Return an address as it may be printed: a mirror's without the user and the password in it."""
    scheme, mark, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{mark}{place.rpartition('@')[2]}{slash}{path}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def find_python() -> Path | None:
    """Return an interpreter of a supported version: this one, else a ``python3.N`` on the path."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return Path(sys.executable)
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0:
            return Path(found)
    return None


def _install_one(environment: Environment, home: Path, python: Path) -> int:
    target = home / environment.folder
    uv = _uv(home, python)
    if uv is None:
        return EXIT_NO_VENV
    interpreter = target / "bin" / "python"
    steps = []
    if not interpreter.exists():
        steps.append([str(uv), "venv", "--quiet", "--python", str(python), str(target)])
    install = [str(uv), "pip", "install", "--quiet", "--python", str(interpreter)]
    # A lock file is complete, and Superset's would not resolve again: one of its packages declares the wrong versions.
    locked = ["--no-deps", "--require-hashes", "--compile-bytecode", "-r", str(environment.lock)]
    steps.append([*install, *locked])
    if environment.with_project:
        steps.append([*install, "--no-deps", "--no-build-isolation", "--editable", str(PROJECT)])
    begun = time.monotonic()
    for step in steps:
        code = _run_with_progress(step, environment.about_seconds, begun)
        if code:
            print(f"\n  failed ({code}): {' '.join(step)}\n  Mend what it says above and run again.", file=sys.stderr)
            return EXIT_INSTALL
    print(f"\r      done in {time.monotonic() - begun:.0f} s{' ' * 40}", flush=True)
    _stamp(environment, home).write_text(_digest(environment), encoding="utf-8")
    return 0


def _uv(home: Path, python: Path) -> Path | None:
    """Return uv: the one on the path, else one installed into a small environment of its own."""
    found = shutil.which("uv")
    if found:
        return Path(found)
    tools = home / "tools"
    uv = tools / "bin" / "uv"
    if uv.exists():
        return uv
    print("      uv, the installer, comes first (the lock files are installed with it)", flush=True)
    if subprocess.run([str(python), "-m", "venv", str(tools)], check=False).returncode:
        print(
            "  Python's venv module does not work here. Debian, Ubuntu: `apt install python3-venv`; then run again.",
            file=sys.stderr,
        )
        shutil.rmtree(tools, ignore_errors=True)
        return None
    command = [str(tools / "bin" / "python"), "-m", "pip", "install", "--quiet", UV]
    return uv if subprocess.run(command, check=False).returncode == 0 else None


def _run_with_progress(command: list[str], about_seconds: int, begun: float) -> int:
    """Run a command while a line tells the time passed and the time left, as far as it can be known."""
    process = subprocess.Popen(command)
    finished = threading.Event()

    def tick() -> None:
        while not finished.wait(1.0):
            spent = time.monotonic() - begun
            left = about_seconds - spent
            guess = f"about {left:.0f} s left on a fast line" if left > 0 else "slower than a fast line; still working"
            end = "" if sys.stdout.isatty() else "\n"
            if sys.stdout.isatty() or int(spent) % 15 == 0:
                print(f"\r      {spent:.0f} s, {guess}   ", end=end, flush=True)

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    code = process.wait()
    finished.set()
    ticker.join()
    return code


def _current(environment: Environment, home: Path) -> bool:
    stamp = _stamp(environment, home)
    return stamp.is_file() and stamp.read_text(encoding="utf-8") in _accepted(environment)


def _accepted(environment: Environment) -> set[str]:
    """Return digests that satisfy an environment: its own, and those of environments that hold it and more."""
    return {_digest(one) for one in (environment, *WITH_MORE.get(environment, ()))}


def _stamp(environment: Environment, home: Path) -> Path:
    return home / environment.folder / "installed.sha256"


def _digest(environment: Environment) -> str:
    text = environment.lock.read_bytes() + str(PROJECT).encode()
    return hashlib.sha256(text + (PROJECT / "pyproject.toml").read_bytes()).hexdigest()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


if __name__ == "__main__":
    sys.exit(main())
