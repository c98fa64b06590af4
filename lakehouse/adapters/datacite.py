"""DOIs at DataCite, by its REST API, version 2. docs/flow/identifiers.md says what is relied on."""

import json
import random
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote

from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout, make_headers
from urllib3.exceptions import HTTPError

from lakehouse.errors import LoginError, RegistrationError, ServiceUnavailableError

State = Literal["draft", "registered", "findable"]

MEDIA_TYPE = "application/vnd.api+json"
ATTEMPTS = 4
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
TIMEOUT = Timeout(connect=10.0, read=60.0)
REPEATED = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
TAKEN = {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
# What brings a DOI into a state. From findable back to registered it is hidden: it resolves, and is not searched.
EVENTS: Mapping[State, str] = {"registered": "register", "findable": "publish"}


class DataCite:
    """The DOIs of one repository account.

    Every call raises LoginError for a wrong account or a prefix that is not its own, RegistrationError for metadata
    that are refused, and ServiceUnavailableError when no answer comes after some attempts.
    """

    def __init__(
        self,
        url: str,
        repository: str,
        password: str,
        *,
        wait: Callable[[float], None] = time.sleep,
        timeout: Timeout = TIMEOUT,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {**make_headers(basic_auth=f"{repository}:{password}"), "Accept": MEDIA_TYPE}
        self._wait = wait
        self._pool = PoolManager(timeout=timeout, retries=Retry(0, redirect=0))

    def state(self, doi: str) -> State | None:
        """Return the state of a DOI of this account, or None when there is none."""
        response = self._ask("GET", self._place(doi))
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        state: State = self._attributes(response, doi)["state"]
        return state

    def draft(self, doi: str) -> None:
        """Reserve a DOI; one that is there already stays as it is."""
        if self.state(doi) is not None:
            return
        response = self._ask("POST", "/dois", {"doi": doi})
        # The answer to an attempt before this one may have been lost, so that the DOI is there after all.
        if response.status in TAKEN and self.state(doi) is not None:
            return
        self._attributes(response, doi)

    def describe(self, doi: str, metadata: Mapping[str, object], state: State) -> None:
        """Give a reserved DOI its metadata and bring it into a state; the same again changes nothing.

        A findable DOI that is to be registered is hidden. None becomes a draft again.
        """
        was = self.state(doi)
        attributes = {name: value for name, value in metadata.items() if name != "doi"}
        if was == "findable" and state == "registered":
            attributes["event"] = "hide"
        elif state != was and state in EVENTS:
            attributes["event"] = EVENTS[state]
        self._attributes(self._ask("PUT", self._place(doi), attributes), doi)

    def hide(self, doi: str) -> None:
        """Take a DOI out of searches; it still leads to its page, which says what became of the data."""
        if self.state(doi) == "findable":
            self._attributes(self._ask("PUT", self._place(doi), {"event": "hide"}), doi)

    def delete_draft(self, doi: str) -> None:
        """Give a reserved DOI back; raise RegistrationError for one that was registered, for that stays for ever."""
        response = self._ask("DELETE", self._place(doi))
        if response.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
            raise RegistrationError(f"DataCite keeps {doi}: {_said(response)}; only drafts can be deleted")

    @staticmethod
    def _place(doi: str) -> str:
        return f"/dois/{quote(doi, safe='/')}"

    def _attributes(self, response: BaseHTTPResponse, doi: str) -> Mapping[str, Any]:
        if response.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise RegistrationError(
                f"DataCite refused {doi} with {response.status}: {_said(response)}; mend the dataset's description"
            )
        try:
            attributes: Mapping[str, Any] = response.json()["data"]["attributes"]
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceUnavailableError(f"{self._url} does not answer as DataCite does; check its address") from error
        return attributes

    def _ask(self, method: str, path: str, attributes: Mapping[str, object] | None = None) -> BaseHTTPResponse:
        """Send one request, again after waiting while the server is busy or away."""
        body = None
        headers = dict(self._headers)
        if attributes is not None:
            body = json.dumps({"data": {"type": "dois", "attributes": attributes}}).encode()
            headers["Content-Type"] = MEDIA_TYPE
        problem = ""
        for attempt in range(ATTEMPTS):
            try:
                response = self._pool.request(method, self._url + path, body=body, headers=headers, redirect=False)
            except HTTPError as error:
                problem, wait = type(error).__name__, _wait_s(attempt, None)
            else:
                if response.status not in REPEATED:
                    return self._allowed(response, path)
                problem, wait = f"status {response.status}", _wait_s(attempt, response.headers.get("Retry-After"))
            if attempt + 1 < ATTEMPTS:
                self._wait(wait)
        raise ServiceUnavailableError(f"{self._url} gave no answer in {ATTEMPTS} attempts ({problem}); try again later")

    def _allowed(self, response: BaseHTTPResponse, path: str) -> BaseHTTPResponse:
        if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise LoginError(
                f"DataCite refused {path} with {response.status}: {_said(response)}; "
                "check LAKEHOUSE_DATACITE_REPOSITORY, its password and its prefix"
            )
        return response


def _wait_s(attempt: int, asked: str | None) -> float:
    if asked is not None and asked.isdecimal():
        return min(float(asked), LONGEST_WAIT_S)
    longest: float = min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _said(response: BaseHTTPResponse) -> str:
    """Return what the server says is wrong, in one line."""
    try:
        errors = response.json()["errors"]
        said = "; ".join(f"{error.get('source', '')} {error['title']}".strip() for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        said = response.data.decode(errors="replace")
    return " ".join(said.split())[:500]
