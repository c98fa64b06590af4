"""Draws every secret of compose.yaml that is not there yet, each into a file of its own under secrets/.

The folder is for its owner only; its files are readable, for the containers' users are others and compose hands files
over as they are. Use: ``python3 compose/make_secrets.py``; nothing but Python's standard library is needed.
"""

import argparse
import os
import secrets
from pathlib import Path

HERE = Path(__file__).resolve().parent
WEBHOOK = "MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_LAKEHOUSE"
KEYS = ("writer", "reader", "submitter", "steward")
DRAWN = (
    *("postgres_password", "lake_password", "lake_reader_password", "dagster_password", "superset_database_password"),
    *("minio_root_user", "minio_root_password", "uploads_token"),
    *(f"{role}_{kind}" for role in KEYS for kind in ("access_key", "secret_key")),
    *("sql_password", "sql_secret", "superset_password", "superset_viewer_password", "superset_secret_key"),
)
SHORT_BYTES, LONG_BYTES = 10, 36


def main() -> None:
    """Draw what is missing and say how many that were."""
    parser = argparse.ArgumentParser(description="Draw the secrets of compose.yaml.")
    parser.add_argument("--folder", type=Path, default=HERE / "secrets")
    folder = parser.parse_args().folder
    print(f"{draw(folder)} secrets drawn in {folder}")  # noqa: T201 - a script


def draw(folder: Path) -> int:
    """Write each secret that is not there; return how many were written. One that is there is never touched."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    drawn = sum(_keep(folder / name, _secret(name)) for name in DRAWN)
    token = (folder / "uploads_token").read_text(encoding="utf-8")
    return drawn + _keep(folder / "minio_webhook", f"{WEBHOOK}={token}")


def _secret(name: str) -> str:
    """Return a random name for a user, letters and digits, or a random secret that no quoting changes."""
    user = name.endswith(("_access_key", "_user"))
    return secrets.token_hex(SHORT_BYTES) if user else secrets.token_hex(LONG_BYTES // 2)


def _keep(path: Path, text: str) -> bool:
    """Write a file that is not there, whole or not at all; return whether it was written."""
    if path.exists():
        return False
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.chmod(0o444)
    try:
        os.link(partial, path)
    except FileExistsError:
        return False  # somebody drew it meanwhile
    finally:
        partial.unlink()
    return True


if __name__ == "__main__":
    main()
