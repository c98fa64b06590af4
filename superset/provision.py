"""Brings Superset to the state this folder describes: schema, users, roles, dashboards. Run it as often as you like.

Use: ``python provision.py`` with the environment that superset_config.py reads, and ``SUPERSET_ADMIN_USER`` and
``SUPERSET_ADMIN_PASSWORD``. Nothing is done when nothing changed, except that the SQL engine must answer.
"""

import gc
import hashlib
import hmac
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy_names  # noqa: F401 - must come before Superset
from compile import compile_bundle, identify
from given import given
from source_files import SOURCE, SourceError, load_source

HERE = Path(__file__).parent
PROOF = "SELECT 1 AS answer"
VIEWER_ROLE = "Viewer"
OBJECTS_BETWEEN_LOOKS = 50_000  # for garbage; every 700, as Python does, takes a fifth of the start of Superset
EXIT_SOURCE, EXIT_ENVIRONMENT, EXIT_IMPORT, EXIT_PROOF = 40, 41, 42, 43
VIEWER_MAY = ("can_read", "can_get", "can_dashboard", "can_log", "can_explore_json")


class ProvisionError(Exception):
    """Provisioning failed; `exit_code` tells the step."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def main() -> int:
    """Provision; return the exit code and say what was done on one line."""
    begun = time.monotonic()
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS)
    try:
        bundle = compile_bundle(load_source(SOURCE))
        digest = _digest(bundle)
        done = "unchanged" if _recorded() == digest else _provision(bundle)
        _prove_engine()
        _record(digest)
    except SourceError as error:
        sys.stderr.write(f"superset/source/{error}\n")
        return EXIT_SOURCE
    except ProvisionError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"superset: {done} in {time.monotonic() - begun:.1f} s\n")
    return 0


def _given(name: str) -> str:
    try:
        return given(name)
    except RuntimeError as error:
        raise ProvisionError(str(error), EXIT_ENVIRONMENT) from error


def _needed(name: str) -> str:
    if value := _given(name):
        return value
    raise ProvisionError(f"{name} is not set; the docs list what provisioning reads", EXIT_ENVIRONMENT)


def _stamp() -> Path:
    return Path(_needed("SUPERSET_HOME")) / "provisioned.json"


def _recorded() -> str | None:
    if not _stamp().is_file():
        return None
    recorded: dict[str, str] = json.loads(_stamp().read_text(encoding="utf-8"))
    return recorded.get("digest")


def _record(digest: str) -> None:
    partial = _stamp().with_suffix(".part")
    partial.write_text(json.dumps({"digest": digest}), encoding="utf-8")
    partial.replace(_stamp())


def _digest(bundle: dict[str, str]) -> str:
    """Return a hash of everything that decides the state; keyed, because passwords are part of it."""
    inputs = {name: text.encode() for name, text in bundle.items()}
    for path in sorted([*HERE.glob("*.py"), HERE / "requirements.lock"]):
        inputs[path.name] = path.read_bytes()
    for name in ("ADMIN_USER", "ADMIN_PASSWORD", "VIEWER_USER", "VIEWER_PASSWORD", "METADATA_URI"):
        inputs[name] = _given(f"SUPERSET_{name}").encode()
    keyed = hmac.new(_needed("SUPERSET_SECRET_KEY").encode(), digestmod=hashlib.sha256)
    for name, body in sorted(inputs.items()):
        keyed.update(name.encode() + b"\0" + hashlib.sha256(body).digest())
    return keyed.hexdigest()


def _provision(bundle: dict[str, str]) -> str:
    admin, password = _needed("SUPERSET_ADMIN_USER"), _needed("SUPERSET_ADMIN_PASSWORD")
    Path(_needed("SUPERSET_HOME")).mkdir(parents=True, exist_ok=True)
    from superset.app import create_app  # takes seconds: only when there is something to do

    app = create_app()
    with app.app_context():
        _upgrade()
        _roles()
        _user(admin, password, "Admin")
        _import(bundle, admin)
        dropped = _delete_dropped(bundle)
        if viewer_password := _given("SUPERSET_VIEWER_PASSWORD"):
            _viewer_role()
            _user(os.environ.get("SUPERSET_VIEWER_USER", "viewer"), viewer_password, VIEWER_ROLE)
        _prove_database()
    return f"{len(bundle) - 1} objects imported, {dropped} deleted"


def _upgrade() -> None:
    import superset
    from flask_migrate import upgrade

    upgrade(directory=str(Path(superset.__file__).parent / "migrations"))


def _roles() -> None:
    from superset import appbuilder, security_manager

    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()


def _user(name: str, password: str, role: str) -> None:
    from superset import db, security_manager

    user = security_manager.find_user(username=name)
    wanted = security_manager.find_role(role)
    if user is None:
        mail = f"{name}@lakehouse.invalid"
        if not security_manager.add_user(name, name.title(), "Lakehouse", mail, wanted, password=password):
            raise ProvisionError(f"user {name!r} could not be made; see the lines above", EXIT_IMPORT)
        return
    user.roles = [wanted]
    db.session.commit()
    security_manager.reset_password(user.id, password)


def _viewer_role() -> None:
    """Make the role that may look at these dashboards and change or export nothing."""
    from superset import db, security_manager
    from superset.models.core import Database

    role = security_manager.find_role(VIEWER_ROLE) or security_manager.add_role(VIEWER_ROLE)
    gamma = security_manager.find_role("Gamma").permissions
    reading = [permission for permission in gamma if permission.permission.name.startswith(VIEWER_MAY)]
    database = db.session.query(Database).filter_by(uuid=identify("database", "lakehouse")).one()
    reading.append(security_manager.add_permission_view_menu("database_access", database.perm))
    role.permissions = reading
    db.session.commit()


def _import(bundle: dict[str, str], admin: str) -> None:
    from superset import security_manager
    from superset.commands.exceptions import CommandException
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.utils.core import override_user

    with override_user(security_manager.find_user(username=admin)):
        try:
            ImportAssetsCommand(dict(bundle)).run()
        except CommandException as error:
            details = getattr(error, "_exceptions", [])
            lines = [str(getattr(detail, "messages", detail)) for detail in details]
            raise ProvisionError(f"Superset refused the bundle: {error}; {'; '.join(lines)}", EXIT_IMPORT) from error


def _delete_dropped(bundle: dict[str, str]) -> int:
    """Delete what an older bundle brought and this one lacks. What people made themselves stays."""
    import yaml
    from superset import db
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    kept = {yaml.safe_load(text).get("uuid") for text in bundle.values()}
    dropped: list[Any] = []
    for model in (Dashboard, Slice, SqlaTable):
        managed = db.session.query(model).filter_by(is_managed_externally=True)
        dropped += [thing for thing in managed if str(thing.uuid) not in kept]
    for thing in dropped:
        db.session.delete(thing)
        db.session.flush()
    db.session.commit()
    return len(dropped)


def _prove_database() -> None:
    """Ask through Superset's own database object: importing succeeds with the SQL engine down."""
    from superset import db
    from superset.models.core import Database

    database = db.session.query(Database).filter_by(uuid=identify("database", "lakehouse")).one()
    with database.get_sqla_engine() as engine:
        _ask(engine)


def _prove_engine() -> None:
    """Ask through the address and dialect alone, which needs no Superset application."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    from superset_config import sql_engine_url

    _ask(create_engine(sql_engine_url(), poolclass=NullPool))


def _ask(engine: Any) -> None:  # noqa: ANN401 - SQLAlchemy 1.4 has no types
    from pyarrow import ArrowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with engine.connect() as connection:
            answer = connection.exec_driver_sql(PROOF).scalar()
    except (ArrowException, SQLAlchemyError, OSError) as error:
        message = f"the SQL engine does not answer Superset: {error}; start it, then repeat"
        raise ProvisionError(message, EXIT_PROOF) from error
    if answer != 1:
        raise ProvisionError(f"the SQL engine answered {answer!r} to {PROOF!r}", EXIT_PROOF)


if __name__ == "__main__":
    sys.exit(main())
