"""MLflow's REST API as its written reference has it, as far as experiments and runs are concerned.

https://mlflow.org/docs/latest/rest-api.html: it refuses what that page says is refused: unknown experiments and runs,
too many entries in a request, values that are too long, a changed parameter, figures that are no numbers. A deleted
experiment keeps its name and takes no run, as it does at a server of version 3.17.2.
"""

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ROOT = "/api/2.0/mlflow"
FILTER = re.compile(r"tags\.`([^`]+)` = '([^']+)' and attributes\.status = 'FINISHED'")


class Refused(Exception):
    """What the server answers instead."""

    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class Server:
    """What the double holds, and what it answers instead."""

    url: str = ""
    token: str = ""
    experiments: dict[str, str] = field(default_factory=dict)
    runs: dict[str, dict] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    fail_at: str = ""
    garbage: bool = False
    odd: dict[str, dict] = field(default_factory=dict)

    def answer(self, method, path, query, body):
        acts = {
            "GET /experiments/get-by-name": lambda: self._experiment(query),
            "POST /experiments/create": lambda: self._create_experiment(body),
            "POST /runs/create": lambda: self._create(body),
            "POST /runs/log-batch": lambda: self._log(body),
            "POST /runs/update": lambda: self._update(body),
            "POST /runs/search": lambda: self._search(body),
        }
        if path in self.odd:
            return self.odd[path]
        if f"{method} {path}" not in acts:
            raise Refused(404, "ENDPOINT_NOT_FOUND")
        return acts[f"{method} {path}"]()

    def _experiment(self, query):
        (name,) = query["experiment_name"]
        if name not in self.experiments:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST")
        stage = "deleted" if name in self.deleted else "active"
        return {"experiment": {"experiment_id": self.experiments[name], "name": name, "lifecycle_stage": stage}}

    def _create_experiment(self, body):
        if body["name"] in self.experiments:
            raise Refused(400, "RESOURCE_ALREADY_EXISTS")
        self.experiments[body["name"]] = str(len(self.experiments) + 1)
        return {"experiment_id": self.experiments[body["name"]]}

    def _update(self, body):
        run = self._run(body)
        run["status"], run["end_time"] = body["status"], body["end_time"]
        return {"run_info": {"run_id": body["run_id"]}}

    def _search(self, body):
        name, value = FILTER.fullmatch(body["filter"]).groups()
        found = [
            {"info": {"run_id": run_id}}
            for run_id, run in self.runs.items()
            if (run["tags"].get(name), run["status"]) == (value, "FINISHED")
            and run["experiment_id"] in body["experiment_ids"]
        ]
        return {"runs": found[: body["max_results"]]} if found else {}

    def _create(self, body):
        if body["experiment_id"] not in self.experiments.values():
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST")
        if body["experiment_id"] in {self.experiments[name] for name in self.deleted}:
            raise Refused(400, "INVALID_PARAMETER_VALUE")
        run_id = f"{len(self.runs):032x}"
        tags = {each["key"]: each["value"] for each in body["tags"]}
        kept = {"experiment_id": body["experiment_id"], "status": "RUNNING", "start_time": int(body["start_time"])}
        self.runs[run_id] = {**kept, "name": body["run_name"], "tags": tags, "params": {}, "metrics": []}
        return {"run": {"info": {"run_id": run_id, "status": "RUNNING"}, "data": {}}}

    def _log(self, body):
        run, params, metrics = self._run(body), body.get("params", []), body.get("metrics", [])
        if len(params) > 100 or len(metrics) > 1000 or len(params) + len(metrics) > 1000:
            raise Refused(400, "INVALID_PARAMETER_VALUE")
        for each in params:
            if len(each["value"]) > 500 or run["params"].get(each["key"], each["value"]) != each["value"]:
                raise Refused(400, "INVALID_PARAMETER_VALUE")
            run["params"][each["key"]] = each["value"]
        for each in metrics:
            if not isinstance(each["value"], int | float) or not isinstance(each["timestamp"], int):
                raise Refused(400, "INVALID_PARAMETER_VALUE")
            run["metrics"].append((each["key"], each["value"], each["step"]))
        return {}

    def _run(self, body):
        if body["run_id"] not in self.runs:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST")
        return self.runs[body["run_id"]]


class _Handler(BaseHTTPRequestHandler):
    server_state: Server

    def log_message(self, *_words) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        state, split = self.server_state, urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path = split.path.removeprefix(ROOT)
        state.asked.append(path)
        try:
            if state.token and self.headers.get("Authorization") != f"Bearer {state.token}":
                raise Refused(401, "UNAUTHENTICATED")
            if state.fail_at and path == state.fail_at:
                raise Refused(503, "TEMPORARILY_UNAVAILABLE")
            status, values = 200, state.answer(self.command, path, parse_qs(split.query), body)
        except Refused as refused:
            status, values = refused.status, {"error_code": refused.code, "message": "said with a secret"}
        status = 200 if state.garbage else status
        data = b"<html>" if state.garbage else json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def tracking():
    """A server on a free port of this machine."""
    state = Server()
    handler = type("Handler", (_Handler,), {"server_state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        state.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            http.shutdown()
            thread.join()
