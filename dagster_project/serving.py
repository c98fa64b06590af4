"""Serves a small web application of ours in the foreground, the same way each."""

import uvicorn
from starlette.types import ASGIApp

from dagster_project.settings import Settings

KEEP_ALIVE_SECONDS = 10
STOP_SECONDS = 5


def serve_application(application: ASGIApp, settings: Settings, *, port: int, connections: int) -> None:
    """Serve until the process is stopped; more than so many connections at once are refused."""
    uvicorn.run(
        application,
        host=settings.host,
        port=port,
        log_level="info",
        access_log=False,
        server_header=False,
        limit_concurrency=connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
