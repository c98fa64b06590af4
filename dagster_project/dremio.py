"""What a Dremio is to show: the source behind the settings, and the views of the current release at its snapshots."""

from dagster_project.settings import PREFIX, Settings
from dagster_project.wiring import lakehouse
from lakehouse.adapters.catalog_address import is_database, shown
from lakehouse.adapters.dremio_rest import DremioRest
from lakehouse.adapters.dremio_setup import Change, Files, Source, nessie, rest_catalog, set_up
from lakehouse.errors import UnknownSettingError
from lakehouse.publish.views import SOURCE, SPACE, at_snapshots, in_reading_order
from lakehouse.tables.release import Release, View

START_SECONDS = 300.0


def provision(settings: Settings) -> list[Change]:
    """Bring the Dremio of the settings to the current release; return what was done.

    Raises:
        UnknownSettingError: no Dremio is named.
        NoReleaseError: nothing is published yet.
    """
    if not settings.dremio_url:
        raise UnknownSettingError(f"{PREFIX}DREMIO_URL is empty; set it to http(s)://host:9047 of your Dremio")
    release = lakehouse(settings).releases.current()
    dremio = DremioRest(settings.dremio_url.rstrip("/"), settings.sql_user, settings.sql_password.get_secret_value())
    dremio.wait(START_SECONDS)
    views = views_at(release)
    return set_up(dremio, source=source(settings), space=SPACE, views=views, accelerated=[view.name for view in views])


def views_at(release: Release) -> list[View]:
    """Return a release's views, each naming the snapshots of that release, in the order in which they can be made."""
    pins = {name: pin.snapshot_id for name, pin in release.tables.items() if pin.snapshot_id is not None}
    return [View(view.name, at_snapshots(view.sql, pins)) for view in in_reading_order(release.views)]


def source(settings: Settings) -> Source:
    """Return the source that Dremio reads, as Dremio sees it."""
    files = Files(
        settings.dremio_s3_endpoint or settings.s3_endpoint,
        settings.s3_access_key.get_secret_value(),
        settings.s3_secret_key.get_secret_value(),
        settings.s3_secure,
    )
    uri = settings.dremio_catalog_uri or settings.catalog_uri
    if is_database(uri):
        raise UnknownSettingError(
            f"Dremio reads no catalog in PostgreSQL ({shown(uri)}); name another in {PREFIX}DREMIO_CATALOG_URI"
        )
    make = {"nessie": nessie, "rest": rest_catalog}[settings.dremio_source]
    root = settings.catalog_warehouse
    return make(SOURCE, uri, root.removeprefix("s3://") if settings.dremio_source == "nessie" else root, files)
