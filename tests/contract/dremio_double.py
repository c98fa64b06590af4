"""A Dremio REST server for tests, built call by call from the written contract and the public API reference.

What it holds to (docs.dremio.com, REST API; Dremio 25.2's source for the first user and the states of jobs):
nothing but the status and the first user is served before there is a user; every call needs a token that a log-in
gave; places are taken once (409); a replacement needs the id and the tag that were read; secrets never come back.
"""

import json
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

HIDDEN = "$DREMIO_EXISTING_VALUE$"
SECRETS = {"accessSecret", "awsAccessSecret", "nessieAccessToken"}
SOURCE_FIELDS = {
    "NESSIE": {"nessieEndpoint", "nessieAuthType", "storageProvider", "awsRootPath", "credentialType", "awsAccessKey"}
    | {"awsAccessSecret", "secure", "propertyList"},
    "RESTCATALOG": {"restEndpointUri", "allowedNamespaces", "isRecursiveAllowedNamespaces", "propertyList"}
    | {"secretPropertyList"},
}


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Dremio:
    """The server's state. `types` are the source types this edition knows; `starting` answers 503 that many times."""

    types: tuple[str, ...] = ("NESSIE", "RESTCATALOG")
    starting: int = 0
    flaky: int = 0
    columns: dict[str, list[str]] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    catalog: dict[tuple[str, ...], dict] = field(default_factory=dict)
    held: dict[str, list[dict]] = field(default_factory=dict)
    jobs: dict[str, dict] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, target: str, authorization: str, body: dict) -> object:
        url = urlsplit(target)
        self.calls.append((method, url.path))
        if url.path == "/apiv2/server_status":
            return self._status()
        self._stumble()
        if url.path == "/apiv2/bootstrap/firstuser":
            return self._first_user(authorization, body)
        if not self.users:
            raise Refused(403, "No User Available")
        if url.path == "/apiv2/login":
            return self._login(body)
        if authorization.removeprefix("_dremio") not in self.tokens or not authorization.startswith("_dremio"):
            raise Refused(401, "Unauthorized")
        for pattern, verb, serve in self._routes():
            found = re.fullmatch(pattern, url.path)
            if found and verb == method:
                return serve(body, {k: v[0] for k, v in parse_qs(url.query).items()}, *map(unquote, found.groups()))
        raise Refused(404, f"no such resource {url.path}")

    def _status(self) -> str:
        if self.starting:
            self.starting -= 1
            raise Refused(503, "STARTING")
        return "OK"

    def _stumble(self) -> None:
        if self.flaky:
            self.flaky -= 1
            raise Refused(503, "busy")

    def _routes(self) -> list[tuple[str, str, Callable]]:
        return [
            (r"/api/v3/catalog/by-path/(.+)", "GET", self._by_path),
            (r"/api/v3/catalog", "POST", self._create),
            (r"/api/v3/catalog/([^/]+)", "PUT", self._replace),
            (r"/api/v3/dataset/([^/]+)/reflection", "GET", self._reflections),
            (r"/api/v3/reflection", "POST", self._reflect),
            (r"/api/v3/reflection/([^/]+)", "PUT", self._reflect_again),
            (r"/api/v3/sql", "POST", self._sql),
            (r"/api/v3/job/([^/]+)", "GET", self._job),
            (r"/api/v3/job/([^/]+)/results", "GET", self._results),
            (r"/api/v3/job/([^/]+)/cancel", "POST", self._cancel),
        ]

    def _first_user(self, authorization: str, body: dict) -> dict:
        if authorization != "_dremionull":
            raise Refused(401, "Unauthorized")
        if self.users:
            raise Refused(400, "First user can only be created when no user is already registered")
        password = body["password"]
        if len(password) < 8 or not re.search(r"[A-Za-z]", password) or not re.search(r"\d", password):
            raise Refused(400, "Invalid password: must be at least 8 letters long, must contain a number and a letter")
        missing = {"userName", "firstName", "lastName", "email", "createdAt"} - set(body)
        if missing:
            raise Refused(400, f"missing {sorted(missing)}")
        self.users[body["userName"]] = password
        return {"userName": body["userName"]}

    def _login(self, body: dict) -> dict:
        if self.users.get(body.get("userName")) != body.get("password"):
            raise Refused(401, "Login failed: Invalid username or password")
        token = secrets.token_hex(8)
        self.tokens.add(token)
        return {"token": token, "expires": 4_000_000_000_000}

    def _by_path(self, _body: dict, _query: dict, path: str) -> dict:
        known = self.catalog.get(tuple(unquote(part).lower() for part in path.split("/")))
        if known is None:
            raise Refused(404, f"Could not find entity with path [{path}]")
        return self._shown(known)

    def _create(self, body: dict, _query: dict) -> dict:
        path = self._checked(body)
        if path in self.catalog:
            raise Refused(409, f"{'.'.join(path)} already exists")
        self.catalog[path] = self._stored(body, secrets.token_hex(6))
        return self._shown(self.catalog[path])

    def _replace(self, body: dict, _query: dict, entity_id: str) -> dict:
        path, known = next(((p, e) for p, e in self.catalog.items() if e["id"] == entity_id), (None, None))
        if known is None or self._checked(body) != path:
            raise Refused(404, f"no entity {entity_id}")
        if body.get("tag") != known["tag"]:
            raise Refused(409, "tag mismatch: the entity was changed by someone else")
        self.catalog[path] = self._stored(body, entity_id)
        return self._shown(self.catalog[path])

    def _checked(self, body: dict) -> tuple[str, ...]:
        match body["entityType"]:
            case "source":
                if body["type"] not in self.types:
                    raise Refused(400, f"No known subtype for type id {body['type']}")
                unknown = set(body["config"]) - SOURCE_FIELDS[body["type"]]
                if unknown:
                    raise Refused(400, f"Unrecognized fields {sorted(unknown)}")
                return (body["name"].lower(),)
            case "space":
                return (body["name"].lower(),)
            case "dataset":
                path = tuple(part.lower() for part in body["path"])
                if path[:-1] not in self.catalog:
                    raise Refused(400, f"Could not find parent {path[:-1]}")
                self._checked_sql(body["sql"])
                return path
        raise Refused(400, f"unknown entityType {body['entityType']}")

    def _checked_sql(self, sql: str) -> None:
        for space, name in re.findall(r"\b(kpi)\.(\w+)", sql):
            if (space, name.lower()) not in self.catalog:
                raise Refused(400, f"Object '{name}' not found within '{space}'")

    def _stored(self, body: dict, entity_id: str) -> dict:
        kept = {k: v for k, v in body.items() if k not in ("id", "tag")}
        name = ".".join(body.get("path", [body.get("name", "")]))
        fields = [{"name": one, "type": {"name": "VARCHAR"}} for one in self.columns.get(name, ["a", "b"])]
        return {**kept, "id": entity_id, "tag": secrets.token_hex(4), "fields": fields}

    def _shown(self, entity: dict) -> dict:
        shown = json.loads(json.dumps(entity))
        for name, value in shown.get("config", {}).items():
            if name in SECRETS:
                shown["config"][name] = HIDDEN
            if name == "secretPropertyList":
                shown["config"][name] = [{**one, "value": HIDDEN} for one in value]
        if "config" in shown:
            shown["config"]["enableAsync"] = True  # servers add fields of their own
        return shown

    def _reflections(self, _body: dict, _query: dict, dataset_id: str) -> dict:
        return {"data": self.held.get(dataset_id, [])}

    def _reflect(self, body: dict, _query: dict) -> dict:
        entity = next((e for e in self.catalog.values() if e["id"] == body["datasetId"]), None)
        if entity is None:
            raise Refused(404, "no such dataset")
        unknown = {one["name"] for one in body["displayFields"]} - {one["name"] for one in entity["fields"]}
        if unknown:
            raise Refused(400, f"fields not found {sorted(unknown)}")
        made = {**body, "id": secrets.token_hex(6), "tag": secrets.token_hex(4)}
        self.held.setdefault(body["datasetId"], []).append(made)
        return made

    def _reflect_again(self, body: dict, _query: dict, reflection_id: str) -> dict:
        known = next((one for one in self.held[body["datasetId"]] if one["id"] == reflection_id), None)
        if known is None or known["tag"] != body["tag"]:
            raise Refused(409, "tag mismatch")
        known.update(body, tag=secrets.token_hex(4))
        return known

    def _sql(self, body: dict, _query: dict) -> dict:
        job = secrets.token_hex(6)
        rows = [{"n": number} for number in range(1_201)] if "many" in body["sql"] else [{"n": 1}]
        end = "FAILED" if "absent" in body["sql"] else "COMPLETED"
        states = ["RUNNING"] * (10**6) if "forever" in body["sql"] else ["RUNNING", end]
        self.jobs[job] = {"states": iter(states), "rows": rows, "state": "PENDING"}
        return {"id": job}

    def _job(self, _body: dict, _query: dict, job: str) -> dict:
        known = self.jobs[job]
        if known["state"] != "CANCELED":
            known["state"] = next(known["states"], known["state"])
        said = {"jobState": known["state"], "rowCount": len(known["rows"])}
        return said | ({"errorMessage": "Object 'absent' not found"} if known["state"] == "FAILED" else {})

    def _results(self, _body: dict, query: dict, job: str) -> dict:
        known, offset, limit = self.jobs[job], int(query["offset"]), int(query["limit"])
        if known["state"] != "COMPLETED":
            raise Refused(400, f"Can not fetch details for a job that is in [{known['state']}] state.")
        if limit > 500:
            raise Refused(400, "limit can not exceed 500 rows")
        return {"rowCount": len(known["rows"]), "schema": [], "rows": known["rows"][offset : offset + limit]}

    def _cancel(self, _body: dict, _query: dict, job: str) -> dict:
        self.jobs[job]["state"] = "CANCELED"
        return {}


def serve(state: Dremio) -> ThreadingHTTPServer:
    """Serve a state on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            try:
                with state.lock:
                    status = 200
                    said = state.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            except Refused as refused:
                status, said = refused.status, {"errorMessage": str(refused)}
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = _any

        def log_message(self, *_arguments: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
