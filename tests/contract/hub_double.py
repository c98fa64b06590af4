"""The hub's API of models as it is written down (https://huggingface.co/docs/hub/api), on loopback.

It answers `GET /api/models/NAME/revision/REVISION?blobs=true` and `HEAD` and `GET /NAME/resolve/COMMIT/FILE`, with the
headers and error codes that the hub's own client reads, and sends large files on to another address as the hub does.
"""

import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

NAME, TOKEN = "school/tiny", "hf_of_a_teacher"
COMMIT, OLD = "a" * 40, "b" * 40


@dataclass
class Shelf:
    """What the double holds: files by commit, where branches point, who may read, and what was asked of it.

    What is to be `cut` gives so many bytes less than it should at GET, or more where that is below nought.
    """

    url: str = ""
    elsewhere: str = ""
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    card: dict[str, object] = field(default_factory=lambda: {"license": "apache-2.0"})
    gated: object = False
    spoilt: set[str] = field(default_factory=set)
    cut: dict[str, int] = field(default_factory=dict)
    sizes: bool = True
    asked: list[str] = field(default_factory=list)

    def put(self, folder, *, commit=COMMIT, without=(), more=()):
        """Hold the files of a folder as a commit, which main then is."""
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in without}
        self.commits[commit] = files | dict(more)
        self.branches["main"] = commit


class _Handler(BaseHTTPRequestHandler):
    shelf: Shelf

    def log_message(self, *_words) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body) -> None:
        self.shelf.asked.append(f"{self.command} {self.path}")
        place = [unquote(each) for each in urlsplit(self.path).path.strip("/").split("/")]
        if place[:2] == ["api", "models"]:
            return self._told(place[2:])
        if place[0] == "large":
            return self._send(200, self._content(place[1], place[2]), body=body)
        return self._file(place, body=body)

    def _told(self, place):
        if "/".join(place[:2]) != NAME:
            return self._refuse(401, "RepoNotFound")
        commit = self._commit(place[3])
        if commit is None:
            return self._refuse(404, "RevisionNotFound")
        siblings = [self._listed(name, content) for name, content in self.shelf.commits[commit].items()]
        told = {"id": NAME, "modelId": NAME, "sha": commit, "gated": self.shelf.gated, "private": False,
                "cardData": self.shelf.card, "siblings": siblings}  # fmt: skip
        return self._send(200, json.dumps(told).encode(), body=True, **{"Content-Type": "application/json"})

    def _listed(self, name, content):
        told = {"rfilename": name, "size": len(content) if self.shelf.sizes else None, "blobId": _blob(content)}
        if _large(name):
            told["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        return told

    def _file(self, place, *, body):
        if "/".join(place[:2]) != NAME or place[2] != "resolve":
            return self._refuse(404, "RepoNotFound")
        if self.shelf.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._refuse(401, "GatedRepo")
        commit, name = self._commit(place[3]), "/".join(place[4:])
        content = self.shelf.commits.get(commit or "", {}).get(name)
        if content is None:
            return self._refuse(404, "EntryNotFound")
        told = {"X-Repo-Commit": commit, "ETag": f'"{_blob(content)}"'}
        if not _large(name):
            return self._send(200, self._content(commit, name), body=body, **told)
        linked = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"'}
        return self._send(
            302, b"", body=body, Location=f"{self.shelf.elsewhere}/large/{commit}/{name}", **told, **linked
        )

    def _content(self, commit, name):
        content = self.shelf.commits[commit][name]
        less = self.shelf.cut.get(name, 0)
        if less < 0 or self.command == "GET":
            content = content[: len(content) - less] + bytes(max(-less, 0))
        return content[:-1] + bytes([content[-1] ^ 1]) if name in self.shelf.spoilt else content

    def _commit(self, revision):
        return revision if revision in self.shelf.commits else self.shelf.branches.get(revision)

    def _refuse(self, status, code):
        self._send(status, b"{}", body=self.command == "GET", **{"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status, content, *, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


def _large(name):
    return name.endswith((".safetensors", ".bin"))


def _blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def hub_double():
    """A hub on a free port of loopback."""
    shelf = Shelf()
    handler = type("_Own", (_Handler,), {"shelf": shelf})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    shelf.elsewhere = f"http://localhost:{server.server_port}"  # another host to a client, which follows there at GET
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
