"""DataCite's REST API as its written reference has it (docs/flow/identifiers.md), as far as DOIs are concerned.

It refuses what the real one refuses: a wrong account, a foreign prefix, a taken DOI, metadata without the mandatory
properties or of an old schema, an address that is none, changes that a state does not allow.
"""

import base64
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

REPOSITORY, PASSWORD, PREFIX = "TEST.LAKE", "secret", "10.5072"
MEDIA_TYPE = "application/vnd.api+json"
SCHEMAS = tuple(f"http://datacite.org/schema/kernel-{version}" for version in ("4", "4.4", "4.5", "4.6"))
MANDATORY = ("creators", "titles", "publisher", "publicationYear", "types", "url")
EVENTS = {
    ("draft", "register"): "registered",
    ("draft", "publish"): "findable",
    ("registered", "publish"): "findable",
    ("findable", "hide"): "registered",
}


@dataclass
class Registry:
    """What the double holds, what it was asked, and what it answers instead for the next requests."""

    url: str = ""
    dois: dict[str, dict[str, object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    instead: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    lose_answers: int = 0


class _Handler(BaseHTTPRequestHandler):
    registry: Registry

    def log_message(self, *_words) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def _answer(self, act) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._body = self.rfile.read(length)
        self.registry.asked.append(f"{self.command} {self.path}")
        if self.registry.instead:
            status, headers = self.registry.instead.pop(0)
            return self._send(status, {"errors": [{"status": str(status), "title": "Later."}]}, headers)
        status, body = act()
        if self.registry.lose_answers:
            self.registry.lose_answers -= 1
            self.connection.close()
            return None
        return self._send(status, body, {})

    def _send(self, status, body, headers) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _known(self) -> bool:
        given = self.headers.get("Authorization", "")
        return given == "Basic " + base64.b64encode(f"{REPOSITORY}:{PASSWORD}".encode()).decode()

    def _refuse(self, status, title, source=None):
        error = {"status": str(status), "title": title} | ({"source": source} if source else {})
        return status, {"errors": [error]}

    def _doi(self) -> str:
        return unquote(self.path.removeprefix("/dois/")).lower()

    def _attributes(self):
        raw = json.loads(self._body)
        assert self.headers["Content-Type"] == MEDIA_TYPE
        assert raw["data"]["type"] == "dois"
        return dict(raw["data"]["attributes"])

    def _shown(self, doi, status=200):
        return status, {"data": {"id": doi, "type": "dois", "attributes": self.registry.dois[doi]}}

    def _get(self):
        if not self._known():
            return self._refuse(401, "Bad credentials.")
        doi = self._doi()
        if doi not in self.registry.dois:
            return self._refuse(404, "The resource you are looking for doesn't exist.")
        return self._shown(doi)

    def _post(self):
        if not self._known():
            return self._refuse(401, "Bad credentials.")
        attributes = self._attributes()
        doi = str(attributes.get("doi", "")).lower()
        if not doi.startswith(f"{PREFIX}/"):
            return self._refuse(403, "You are not authorized to access this resource.")
        if doi in self.registry.dois:
            return self._refuse(422, "This DOI has already been taken", "doi")
        return self._change(doi, {"state": "draft"}, attributes, 201)

    def _put(self):
        if not self._known():
            return self._refuse(401, "Bad credentials.")
        doi = self._doi()
        if doi not in self.registry.dois:
            # The real one makes what is not there yet, as its controller says (datacite/lupo, DataciteDoisController).
            if not doi.startswith(f"{PREFIX}/"):
                return self._refuse(403, "You are not authorized to access this resource.")
            return self._change(doi, {"state": "draft"}, self._attributes(), 201)
        return self._change(doi, dict(self.registry.dois[doi]), self._attributes(), 200)

    def _change(self, doi, stored, attributes, status):
        event = attributes.pop("event", None)
        changed = {**stored, **attributes, "doi": doi}
        if event is not None:
            changed["state"] = EVENTS.get((str(stored["state"]), event), stored["state"])
        problem = _problem(changed) if changed["state"] != "draft" else None
        if problem:
            return self._refuse(422, problem[1], problem[0])
        self.registry.dois[doi] = changed
        return self._shown(doi, status)

    def _delete(self):
        if not self._known():
            return self._refuse(401, "Bad credentials.")
        doi = self._doi()
        if doi not in self.registry.dois:
            return self._refuse(404, "The resource you are looking for doesn't exist.")
        if self.registry.dois[doi]["state"] != "draft":
            return self._refuse(405, "Method not allowed")
        del self.registry.dois[doi]
        return 204, None


def _problem(attributes):
    for name in MANDATORY:
        if not attributes.get(name):
            return name, "can't be blank"
    if attributes.get("schemaVersion", SCHEMAS[0]) not in SCHEMAS:
        return "schemaVersion", "Schema is no longer supported"
    if "resourceTypeGeneral" not in attributes["types"]:
        return "types", "Missing child element(s). Expected is ( resourceTypeGeneral )."
    if not re.fullmatch(r"\d{4}", str(attributes["publicationYear"])):
        return "publicationYear", "is not a year"
    if not re.match(r"https?://[^/\s]+\.[^/\s]+", str(attributes["url"])):
        return "url", "URL is not valid"
    return None


@contextmanager
def registry():
    """Run the double on a free loopback port."""
    held = Registry()
    handler = type("Handler", (_Handler,), {"registry": held})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
