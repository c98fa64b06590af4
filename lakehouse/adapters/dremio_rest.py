"""Dremio's REST API: log in, read and write catalog entities, run a statement as a job."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from lakehouse.errors import CommitConflictError, LoginError, PermanentError, QueryError, ServiceUnavailableError

ATTEMPTS = 4
FIRST_WAIT_S = 0.2
JOB_POLL_S = 0.2
PAGE_ROWS = 500
BUSY = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
NO_USER = "No User Available"

Entity = dict[str, Any]


class NoUserError(PermanentError):
    """A fresh Dremio: it serves nothing before its first user is made."""

    exit_code = LoginError.exit_code


@dataclass
class DremioRest:
    """One user's session with the server at `url` (scheme, host, port). Logs in on the first call that needs it."""

    url: str
    user: str
    password: str = field(repr=False)
    ca_file: Path | None = None
    _token: str | None = field(default=None, init=False, repr=False)

    @cached_property
    def _pool(self) -> PoolManager:
        ca = str(self.ca_file) if self.ca_file else None
        return PoolManager(timeout=Timeout(connect=5.0, read=60.0), retries=Retry(total=0), ca_certs=ca)

    def wait(self, timeout_s: float) -> None:
        """Return once the server says it is up; raise ServiceUnavailableError when it does not in time."""
        end = time.monotonic() + timeout_s
        while not self._is_up():
            if time.monotonic() > end:
                raise ServiceUnavailableError(f"Dremio at {self.url} was not up after {timeout_s:g} s; read its log")
            time.sleep(FIRST_WAIT_S)

    def _is_up(self) -> bool:
        try:
            answer = self._pool.request("GET", f"{self.url}/apiv2/server_status")
        except HTTPError:
            return False
        return answer.status == HTTPStatus.OK and answer.data.strip(b'"\n ') == b"OK"

    def make_first_user(self, *, email: str) -> None:
        """Make this session's user the first one, an administrator, of a fresh server."""
        body = {
            "userName": self.user,
            "firstName": "Education",
            "lastName": "Lakehouse",
            "email": email,
            "createdAt": int(time.time() * 1000),
            "password": self.password,
        }
        self._send("PUT", "/apiv2/bootstrap/firstuser", body, authorization="_dremionull")

    def log_in(self) -> None:
        """Get a token; raise LoginError for a wrong password, NoUserError from a fresh server."""
        answer = self._send("POST", "/apiv2/login", {"userName": self.user, "password": self.password})
        self._token = str(answer["token"])

    def entity(self, path: tuple[str, ...]) -> Entity | None:
        """Return the catalog entity at a path, or None."""
        joined = "/".join(quote(part, safe="") for part in path)
        found: Entity | None = self._call("GET", f"/api/v3/catalog/by-path/{joined}", absent=None)
        return found

    def create(self, body: Mapping[str, object]) -> Entity:
        """Create a catalog entity; raise CommitConflictError when its place is taken."""
        made: Entity = self._call("POST", "/api/v3/catalog", body)
        return made

    def replace(self, entity: Entity, body: Mapping[str, object]) -> Entity:
        """Replace an entity by a body, as long as nobody changed it since it was read."""
        path = f"/api/v3/catalog/{quote(entity['id'], safe='')}"
        replaced: Entity = self._call("PUT", path, {**body, "id": entity["id"], "tag": entity["tag"]})
        return replaced

    def reflections(self, dataset_id: str) -> list[Entity]:
        """Return the reflections of a dataset."""
        answer = self._call("GET", f"/api/v3/dataset/{quote(dataset_id, safe='')}/reflection")
        return list(answer["data"])

    def create_reflection(self, body: Mapping[str, object]) -> Entity:
        """Create a reflection."""
        made: Entity = self._call("POST", "/api/v3/reflection", body)
        return made

    def replace_reflection(self, reflection: Entity, body: Mapping[str, object]) -> Entity:
        """Replace a reflection, as long as nobody changed it since it was read."""
        path = f"/api/v3/reflection/{quote(reflection['id'], safe='')}"
        replaced: Entity = self._call("PUT", path, {**body, "id": reflection["id"], "tag": reflection["tag"]})
        return replaced

    def run(self, sql: str, *, timeout_s: float = 300.0) -> list[Mapping[str, object]]:
        """Run one statement and return its rows; raise QueryError when it fails or is too slow, then cancelled."""
        job = quote(str(self._call("POST", "/api/v3/sql", {"sql": sql})["id"]), safe="")
        state = self._finished(job, timeout_s)
        if state["jobState"] != "COMPLETED":
            raise QueryError(f"Dremio {str(state['jobState']).lower()} a statement: {state.get('errorMessage', '')}")
        rows: list[Mapping[str, object]] = []
        while len(rows) < int(state.get("rowCount", 0)):
            page = self._call("GET", f"/api/v3/job/{job}/results?offset={len(rows)}&limit={PAGE_ROWS}")["rows"]
            if not page:
                break
            rows += page
        return rows

    def _finished(self, job: str, timeout_s: float) -> Entity:
        end = time.monotonic() + timeout_s
        while True:
            state: Entity = self._call("GET", f"/api/v3/job/{job}")
            if state["jobState"] in ("COMPLETED", "FAILED", "CANCELED"):
                return state
            if time.monotonic() > end:
                self._call("POST", f"/api/v3/job/{job}/cancel")
                raise QueryError(f"Dremio did not finish a statement in {timeout_s:g} s; it was cancelled")
            time.sleep(JOB_POLL_S)

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None, *, absent: Any = ...) -> Any:  # noqa: ANN401 - JSON
        if self._token is None:
            self.log_in()
        return self._send(method, path, body, authorization=f"_dremio{self._token}", absent=absent)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        authorization: str = "",
        absent: Any = ...,  # noqa: ANN401 - what to return for 404, when that is an answer
    ) -> Any:  # noqa: ANN401 - JSON
        answer = self._attempts(method, path, body, authorization)
        if answer.status == HTTPStatus.NOT_FOUND and absent is not ...:
            return absent
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise self._error(method, path, answer)
        return json.loads(answer.data) if answer.data else {}

    def _attempts(
        self, method: str, path: str, body: Mapping[str, object] | None, authorization: str
    ) -> BaseHTTPResponse:
        headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
        wait_s = FIRST_WAIT_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                data = None if body is None else json.dumps(body).encode()
                answer = self._pool.request(method, self.url + path, body=data, headers=headers)
            except HTTPError as error:
                if attempt == ATTEMPTS:
                    raise ServiceUnavailableError(
                        f"Dremio at {self.url} does not answer ({error}); start it"
                    ) from error
            else:
                if answer.status not in BUSY or attempt == ATTEMPTS:
                    return answer
            time.sleep(wait_s)
            wait_s *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _error(self, method: str, path: str, answer: BaseHTTPResponse) -> Exception:
        said = _message(answer.data)
        place = f"{method} {path.split('?')[0]} at {self.url}"
        if answer.status == HTTPStatus.FORBIDDEN and NO_USER in said:
            return NoUserError(f"Dremio at {self.url} has no user yet")
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return LoginError(f"Dremio refused user {self.user!r} for {place}: {said}; check user, password and rights")
        if answer.status == HTTPStatus.CONFLICT:
            return CommitConflictError(f"somebody else changed it meanwhile: {place}: {said}; run it again")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ServiceUnavailableError(f"Dremio failed ({answer.status}) at {place}: {said}; read its log")
        return PermanentError(f"Dremio refused ({answer.status}) {place}: {said}; correct the settings")


def _message(body: bytes) -> str:
    try:
        said = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")[:300]
    return str(said.get("errorMessage") or said.get("message") or said)[:300] if isinstance(said, dict) else str(said)
