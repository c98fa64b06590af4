"""Takes a Dremio from nothing to ready: first user, source, space, views and reflections; repeating changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lakehouse.adapters.dremio_rest import DremioRest, Entity, NoUserError
from lakehouse.errors import CommitConflictError, PermanentError
from lakehouse.tables.release import View

# Dremio answers secrets with a placeholder, so they cannot be compared.
SECRET = {"accessSecret", "awsAccessSecret", "secretPropertyList", "nessieAccessToken"}
RAW = "lakehouse raw"


@dataclass(frozen=True, slots=True)
class Files:
    """Where the tables' files lie: the S3 endpoint (host:port), whether it speaks TLS, and keys that may read."""

    endpoint: str
    access_key: str
    secret_key: str
    secure: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A source as Dremio's API takes it; see `nessie` and `rest_catalog`."""

    name: str
    type: Literal["NESSIE", "RESTCATALOG"]
    config: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one thing: it was created, updated, or found as it should be."""

    kind: Literal["user", "source", "space", "view", "reflection"]
    name: str
    action: Literal["created", "updated", "unchanged"]


def nessie(name: str, uri: str, root: str, files: Files) -> Source:
    """Return a source on a Nessie server's own API (`uri` ends in /api/v2); every free Dremio has this type."""
    config = {
        "nessieEndpoint": uri,
        "nessieAuthType": "NONE",
        "storageProvider": "AWS",
        "awsRootPath": root,
        "credentialType": "ACCESS_KEY",
        "awsAccessKey": files.access_key,
        "awsAccessSecret": files.secret_key,
        "secure": files.secure,
        "propertyList": _properties(files),
    }
    return Source(name, "NESSIE", config)


def rest_catalog(name: str, uri: str, warehouse: str, files: Files) -> Source:
    """Return a source on an Iceberg REST catalog.

    Dremio 25.2 has this type when started with the support key ``plugins.restcatalog.enabled``, Enterprise always,
    26.0 community not; see docs/operations.md.
    """
    config = {
        "restEndpointUri": uri,
        "isRecursiveAllowedNamespaces": True,
        "propertyList": [
            {"name": "warehouse", "value": warehouse},
            {"name": "fs.s3a.endpoint.region", "value": "us-east-1"},
            {"name": "fs.s3a.connection.ssl.enabled", "value": str(files.secure).lower()},
            {"name": "dremio.bucket.discovery.enabled", "value": "false"},
            *_properties(files),
        ],
        "secretPropertyList": [
            {"name": "credential", "value": f"{files.access_key}:{files.secret_key}"},
            {"name": "fs.s3a.access.key", "value": files.access_key},
            {"name": "fs.s3a.secret.key", "value": files.secret_key},
        ],
    }
    return Source(name, "RESTCATALOG", config)


def _properties(files: Files) -> list[dict[str, str]]:
    return [
        {"name": "fs.s3a.endpoint", "value": files.endpoint},
        {"name": "fs.s3a.path.style.access", "value": "true"},
        {"name": "dremio.s3.compat", "value": "true"},
    ]


def set_up(
    dremio: DremioRest,
    *,
    source: Source,
    space: str,
    views: Sequence[View],
    accelerated: Sequence[str] = (),
    email: str = "lakehouse@example.org",
) -> list[Change]:
    """Bring the server to the wanted state and return what was done, in order.

    `views` are named ``<space>.<view>`` and stand after every view they read; `accelerated` names those that get a
    raw reflection of all their columns.

    Raises:
        LoginError: the password is wrong, or the user may not do this.
        PermanentError: the server refused the source or a view; the message is the server's.
        ServiceUnavailableError: it does not answer.
    """
    changes = [_user(dremio, email), _source(dremio, source), _space(dremio, space)]
    entities: dict[str, Entity] = {}
    for view in views:
        entities[view.name], change = _view(dremio, view, source)
        changes.append(change)
    return changes + [_reflection(dremio, name, entities[name]) for name in accelerated]


def _user(dremio: DremioRest, email: str) -> Change:
    try:
        dremio.log_in()
    except NoUserError:
        dremio.make_first_user(email=email)
        dremio.log_in()
        return Change("user", dremio.user, "created")
    return Change("user", dremio.user, "unchanged")


def _source(dremio: DremioRest, source: Source) -> Change:
    body = {"entityType": "source", "name": source.name, "type": source.type, "config": dict(source.config)}
    known = dremio.entity((source.name,))
    if known is None:
        return Change("source", source.name, _created(dremio, body))
    if known.get("entityType") != "source" or known.get("type") != source.type:
        found = known.get("type") or known.get("entityType")
        raise PermanentError(
            f"Dremio has a {found} named {source.name!r} already; remove it, or name the source otherwise"
        )
    if _holds(known.get("config"), {k: v for k, v in source.config.items() if k not in SECRET}):
        return Change("source", source.name, "unchanged")
    dremio.replace(known, body)
    return Change("source", source.name, "updated")


def _holds(known: Any, wanted: Any) -> bool:  # noqa: ANN401 - JSON
    """Say whether everything wanted is there; servers add fields of their own."""
    if isinstance(wanted, Mapping):
        return isinstance(known, Mapping) and all(_holds(known.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(known, list) and all(any(_holds(one, item) for one in known) for item in wanted)
    return bool(known == wanted)


def _space(dremio: DremioRest, name: str) -> Change:
    if dremio.entity((name,)) is not None:
        return Change("space", name, "unchanged")
    return Change("space", name, _created(dremio, {"entityType": "space", "name": name}))


def _view(dremio: DremioRest, view: View, source: Source) -> tuple[Entity, Change]:
    path = view.name.split(".")
    body = {
        "entityType": "dataset",
        "type": "VIRTUAL_DATASET",
        "path": path,
        "sql": view.sql,
        "sqlContext": [source.name],
    }
    known = dremio.entity(tuple(path))
    if known is not None and known.get("sql") == view.sql:
        return known, Change("view", view.name, "unchanged")
    if known is not None:
        return dremio.replace(known, body), Change("view", view.name, "updated")
    return dremio.create(body), Change("view", view.name, "created")


def _reflection(dremio: DremioRest, name: str, entity: Entity) -> Change:
    columns = [{"name": column["name"]} for column in entity["fields"]]
    body = {"type": "RAW", "name": RAW, "datasetId": entity["id"], "enabled": True, "displayFields": columns}
    known = next((one for one in dremio.reflections(entity["id"]) if one["name"] == RAW), None)
    if known is None:
        dremio.create_reflection(body)
        return Change("reflection", name, "created")
    if known.get("displayFields") == columns and known.get("enabled"):
        return Change("reflection", name, "unchanged")
    dremio.replace_reflection(known, body)
    return Change("reflection", name, "updated")


def _created(dremio: DremioRest, body: Mapping[str, object]) -> Literal["created", "unchanged"]:
    try:
        dremio.create(body)
    except CommitConflictError:
        if dremio.entity((str(body["name"]),)) is None:
            raise
        return "unchanged"  # a repeated request, or somebody else's, was first
    return "created"
