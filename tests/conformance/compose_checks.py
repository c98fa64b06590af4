"""What a compose file of ours must hold; each check names the faults it finds, so tests can break it on purpose."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from dagster_project.settings import PROJECT
from lakehouse.adapters.catalog_address import holds_password

FOLDER = PROJECT / "compose"
SCHEMA = json.loads((Path(__file__).parent / "schemas" / "compose-spec.json").read_text())
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|CREDENTIAL|PRIVATE", re.IGNORECASE)
WRITABLE = {"dremio"}  # its program writes beside itself; docs/decisions/0230 says so
KEEPERS = {"state": "writer_secret_key", "dagster": "dagster_password"}
"""Volumes that hold secrets, and the secret without which no service may have them."""
HOLDERS = {"code", "steward"}
"""Who may have `state`, where the keys of pseudonyms, receipts and silver lie: who makes tables and who withdraws."""
WRITERS = {"code", "steward", "storage-setup"}
"""Who may have the keys that change objects and tables: who runs the flow, who withdraws, who makes the keys."""
CHANGING = {"writer_secret_key", "steward_secret_key", "lake_password"}
OWN = {
    **{"minio": "objects", "sql": "logs", "dagster": "dagster", "superset": "superset"},
    **{"prometheus": "prometheus", "dremio": "dremio"},
}
"""The one volume that a service with a published port may write."""
Compose = dict[str, Any]


def read() -> Compose:
    """Return compose.yaml with its anchors resolved, as Docker Compose reads it."""
    found: Compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return found


def with_beside(compose: Compose, name: str) -> Compose:
    """Return a compose file with another laid over it: mappings are joined, all else is replaced."""

    def joined(under: Any, over: Any) -> Any:
        if not (isinstance(under, dict) and isinstance(over, dict)):
            return over
        return {key: joined(under.get(key), over[key]) if key in over else under[key] for key in {**under, **over}}

    laid: Compose = joined(compose, yaml.safe_load((FOLDER / name).read_text()))
    return laid


def one_shot(compose: Compose, name: str) -> bool:
    """Say whether a service does its work and ends, which others wait for, or a person starts it."""
    service = compose["services"][name]
    ends = any(
        waits.get("depends_on", {}).get(name, {}).get("condition") == "service_completed_successfully"
        for waits in compose["services"].values()
    )
    started = bool(service.get("profiles")) and service.get("restart") in ("on-failure", "no")
    return started or (service.get("restart") == "on-failure" and ends)


def schema(compose: Compose) -> Iterator[str]:
    for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(compose):
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message}"


def images(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        tag = service.get("image", "").rpartition("/")[2].partition(":")[2]
        if not re.search(r"\d", tag) or "latest" in tag:
            yield f"{name}: image {service.get('image')!r} has no version"


def health(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        test = service.get("healthcheck", {}).get("test", ["NONE"])
        if test[0] not in ("CMD", "CMD-SHELL") and not one_shot(compose, name):
            yield f"{name}: no health check"


def order(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if one_shot(compose, other) else "service_healthy"
            if how.get("condition") != wanted:
                yield f"{name}: waits for {other} only until {how.get('condition')}"
            if set(compose["services"][other].get("profiles", ())) - set(service.get("profiles", ())):
                yield f"{name}: waits for {other}, which may not be started"


def ports(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        for port in service.get("ports", ()):
            if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", str(port)):
                yield f"{name}: port {port} is published off loopback"
        if service.get("network_mode") or service.get("privileged"):
            yield f"{name}: runs in the host's network or with its rights"
    if not compose["networks"]["inside"].get("internal"):
        yield "the inner network reaches the outside"


def secrets(compose: Compose) -> Iterator[str]:
    used: set[str] = set()
    for name, service in compose["services"].items():
        granted = set(service.get("secrets", ()))
        used |= granted
        for variable, value in service.get("environment", {}).items():
            for fault in _variable(variable, str(value), granted):
                yield f"{name}: {variable} {fault}"
    if unknown := used ^ set(compose["secrets"]):
        yield f"secrets declared and never used, or used and never declared: {sorted(unknown)}"
    for name, secret in compose["secrets"].items():
        if secret != {"file": f"secrets/{name}"}:
            yield f"secret {name} does not come from its file"


def _variable(variable: str, value: str, granted: set[str]) -> Iterator[str]:
    named = value.removeprefix("/run/secrets/") if value.startswith("/run/secrets/") else ""
    if named and named not in granted:
        yield f"names {value}, which it is not given"
    if SECRET_NAME.search(variable) and not (variable.endswith("_FILE") and named):
        yield "holds a secret's value"
    if holds_password(value) or "${" in value:
        yield "holds a password or is filled in from outside"


def rights(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user", ""))):
            yield f"{name}: runs as {service.get('user', 'root')}"
        if service.get("read_only") is not True and name not in WRITABLE:
            yield f"{name}: its file system can be written"
        if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", ()):
            yield f"{name}: may gain rights"
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        if missing := {"cpus", "memory", "pids"} - set(limits):
            yield f"{name}: no limit of {sorted(missing)}"


def places(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        for volume in service.get("volumes", ()):
            if str(volume).partition(":")[0] not in compose["volumes"]:
                yield f"{name}: {volume} is no named volume"
        build = service.get("build")
        if build and not (FOLDER / build["context"] / build.get("dockerfile", "Dockerfile")).is_file():
            yield f"{name}: there is nothing to build it from"
        known = {one.get("image") for one in compose["services"].values() if one.get("build")}
        if str(service.get("image", "")).startswith("lakehouse") and service["image"] not in known:
            yield f"{name}: nobody builds {service['image']}"
    for name, config in compose["configs"].items():
        if not (FOLDER / config["file"]).is_file():
            yield f"config {name}: no {config['file']}"


def volumes(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        for volume in service.get("volumes", ()):
            source = str(volume).partition(":")[0]
            if source in KEEPERS and KEEPERS[source] not in service.get("secrets", ()):
                yield f"{name}: has the volume {source} without {KEEPERS[source]}"
            if source == "state" and name not in HOLDERS:
                yield f"{name}: makes no table, and has the keys of pseudonyms"
            if service.get("ports") and source == "state":
                yield f"{name}: is asked by strangers and has the volume state"
            if service.get("ports") and not str(volume).endswith(":ro") and OWN.get(name) != source:
                yield f"{name}: is asked by strangers and may write the volume {source}"


def keys(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        for secret in sorted(CHANGING.intersection(service.get("secrets", ()))):
            if name not in WRITERS | {"postgres"}:  # which makes the user of that password
                yield f"{name}: changes no table itself and has {secret}"


CHECKS: tuple[Callable[[Compose], Iterator[str]], ...] = (
    schema,
    images,
    health,
    order,
    ports,
    keys,
    secrets,
    rights,
    places,
    volumes,
)


def faults(compose: Compose) -> list[str]:
    """Return everything that is wrong with a compose file."""
    return [fault for check in CHECKS for fault in check(compose)]
