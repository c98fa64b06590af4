"""Serves the catalogue: its library from settings, and the web server in the foreground."""

from dagster_project.people import users_file
from dagster_project.serving import serve_application
from dagster_project.settings import Settings
from dagster_project.wiring import lakehouse, naming
from lakehouse.catalogue.app import application
from lakehouse.catalogue.library import Address, Library

MOST_CONNECTIONS = 256


def library(settings: Settings) -> Library:
    """Return the catalogue's state; nothing is read before its first refresh."""
    address = Address(
        base_url=naming(settings).base_url,
        datasets=str(settings.home / "archive" / "datasets"),
        sql_uri=settings.sql_uri,
        s3_endpoint="" if settings.storage == "folder" else settings.s3_endpoint,
        s3_bucket=settings.s3_bucket,
    )
    return Library(lakehouse(settings), users_file(settings).current, address)


def serve(settings: Settings) -> None:
    """Serve the catalogue until the process is stopped."""
    served = application(library(settings))
    serve_application(served, settings, port=settings.catalogue_port, connections=MOST_CONNECTIONS)
