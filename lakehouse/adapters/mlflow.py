"""Copies of training runs at an MLflow tracking server, by its REST API, version 2.0."""

import json
import math
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from lakehouse.errors import MirrorError
from lakehouse.ports import MirroredRun

ROOT = "/api/2.0/mlflow"
# https://mlflow.org/docs/latest/rest-api.html#log-batch: most entries of a request, longest value of a parameter.
MOST_METRICS, MOST_PARAMS, LONGEST_VALUE = 1000, 100, 500
TIMEOUT = Timeout(connect=5.0, read=20.0)
VERSION_TAG = "lakehouse.model_version"


class MlflowMirror:
    """One experiment of a tracking server. Nothing is asked of it before a run is mirrored."""

    def __init__(self, url: str, experiment: str, token: str = "", *, timeout: Timeout = TIMEOUT) -> None:
        self._url, self._experiment = url.rstrip("/"), experiment
        parts = parse_url(self._url)
        # What a message may name: an address may hold a password.
        self._place = f"{parts.scheme}://{parts.netloc}"
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        # One attempt for each request: a mirror that waits would hold up the run that it copies.
        self._pool = PoolManager(timeout=timeout, retries=Retry(0, redirect=0))

    def mirror(self, run: MirroredRun) -> str:
        """Copy a finished run, once per model version; return its id there.

        A copy that was cut short by a fault is left behind as it is, without its closing mark, and made anew.

        Raises:
            MirrorError: the server cannot be reached, refuses, or does not answer as MLflow does; a figure is none.
        """
        if spoilt := sorted({each.name for each in run.metrics if not math.isfinite(each.value)}):
            # JSON has no such numbers; MLflow 3.17 takes Python's spelling of them and stores NaN as 0.
            raise MirrorError(f"{', '.join(spoilt)} of {run.model_version} are no finite numbers; nothing was sent")
        experiment = self._experiment_id()
        found = self._finished(experiment, run.model_version)
        if found is not None:
            return found
        tags = {**run.tags, VERSION_TAG: run.model_version}
        created = self._post(
            "/runs/create",
            {
                "experiment_id": experiment,
                "run_name": run.model_version,
                "start_time": run.started_ms,
                "tags": _pairs(tags),
            },
        )
        run_id = str(_inside(created, "run", "info", "run_id"))
        for batch in _batches(run):
            self._post("/runs/log-batch", {"run_id": run_id, **batch})
        self._post("/runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": run.ended_ms})
        return run_id

    def _experiment_id(self) -> str:
        query = urlencode({"experiment_name": self._experiment})
        response = self._ask("GET", f"/experiments/get-by-name?{query}")
        if response.status == HTTPStatus.NOT_FOUND and _code(response) == "RESOURCE_DOES_NOT_EXIST":
            return str(_inside(self._post("/experiments/create", {"name": self._experiment}), "experiment_id"))
        answer = self._checked(response, "/experiments/get-by-name")
        experiment = str(_inside(answer, "experiment", "experiment_id"))
        if _inside(answer, "experiment", "lifecycle_stage") == "deleted":  # it still has its name, and takes no run
            raise MirrorError(
                f"the experiment {self._experiment!r} is deleted at {self._place}; restore it there, or name another "
                "in LAKEHOUSE_MLFLOW_EXPERIMENT"
            )
        return experiment

    def _finished(self, experiment: str, version: str) -> str | None:
        asked = {
            "experiment_ids": [experiment],
            "filter": f"tags.`{VERSION_TAG}` = '{version}' and attributes.status = 'FINISHED'",
            "max_results": 1,
        }
        runs = self._post("/runs/search", asked).get("runs", [])
        if not isinstance(runs, list):
            raise MirrorError("an answer of MLflow has no list of runs; check LAKEHOUSE_MLFLOW_URL")
        return str(_inside(runs[0], "info", "run_id")) if runs else None

    def _post(self, path: str, values: Mapping[str, object]) -> Mapping[str, Any]:
        return self._checked(self._ask("POST", path, values), path)

    def _ask(self, method: str, path: str, values: Mapping[str, object] | None = None) -> BaseHTTPResponse:
        body = None if values is None else json.dumps(values).encode()
        try:
            return self._pool.request(method, self._url + ROOT + path, body=body, headers=self._headers, redirect=False)
        except HTTPError as error:
            raise MirrorError(
                f"{self._place} gave no answer ({type(error).__name__}); check LAKEHOUSE_MLFLOW_URL"
            ) from error

    def _checked(self, response: BaseHTTPResponse, path: str) -> Mapping[str, Any]:
        if response.status != HTTPStatus.OK:
            told = f"{response.status} {_code(response)}".strip()
            raise MirrorError(f"{self._place} refused {path} with {told}; check LAKEHOUSE_MLFLOW_URL and its token")
        try:
            values = response.json()
        except ValueError as error:
            raise MirrorError(f"{self._place} does not answer as MLflow does; check LAKEHOUSE_MLFLOW_URL") from error
        if not isinstance(values, dict):
            raise MirrorError(f"{self._place} does not answer as MLflow does; check LAKEHOUSE_MLFLOW_URL")
        return values


def _batches(run: MirroredRun) -> Iterator[dict[str, object]]:
    """Split parameters and metrics into requests of the API's size."""
    params = _pairs({name: value[:LONGEST_VALUE] for name, value in run.params.items()})
    for at in range(0, len(params), MOST_PARAMS):
        yield {"params": params[at : at + MOST_PARAMS]}
    metrics = [
        {"key": each.name, "value": each.value, "timestamp": run.ended_ms, "step": each.step} for each in run.metrics
    ]
    for at in range(0, len(metrics), MOST_METRICS):
        yield {"metrics": metrics[at : at + MOST_METRICS]}


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in values.items()]


def _inside(values: object, *names: str) -> object:
    found = values
    for name in names:
        if not isinstance(found, dict) or name not in found:
            raise MirrorError(f"an answer of MLflow lacks {'.'.join(names)}; check LAKEHOUSE_MLFLOW_URL")
        found = found[name]
    return found


def _code(response: BaseHTTPResponse) -> str:
    """The server's own code of a fault; its message may quote what was sent and is not repeated."""
    try:
        values = response.json()
    except ValueError:
        return ""
    return str(values.get("error_code", "")) if isinstance(values, dict) else ""
