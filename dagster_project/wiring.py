"""Turns settings into the objects that assets ask for; nothing connects before it is used."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from assets.bases import Bases
from assets.gate import Gate
from assets.house import Engine, Origin
from assets.instructing import Lessons
from assets.learning import Permission
from assets.mirror import NoMirror
from assets.workshop import KnownTestsFolder, Workshop
from dagster_project.judging import fair_gate, rule_packs
from dagster_project.people import users_file
from dagster_project.settings import PREFIX, PROJECT, Settings, code_commit, machine_environment
from lakehouse.adapters.catalog import IcebergTables
from lakehouse.adapters.catalog_address import is_database
from lakehouse.adapters.datalad import DataladVersions
from lakehouse.adapters.iceberg_upkeep import IcebergUpkeep
from lakehouse.adapters.mlflow import MlflowMirror
from lakehouse.adapters.object_store import LocalObjects, S3Objects
from lakehouse.adapters.spark_needs import require_pyspark
from lakehouse.adapters.spark_session import CatalogPlace, SparkPlace
from lakehouse.adapters.upload_bucket import S3Uploads
from lakehouse.archive.identifiers import Naming
from lakehouse.archive.pseudonyms import SilverKey
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.upload_queue import UploadQueue
from lakehouse.archive.uploads import Uploads
from lakehouse.archive.withdraw.receipt import Signer
from lakehouse.archive.withdraw.returning import WithdrawnPeople
from lakehouse.endpoint.reading import read
from lakehouse.errors import UnknownSettingError
from lakehouse.policy.audit import DeniedLog
from lakehouse.policy.statements import StatementLog
from lakehouse.ports import RunMirror
from lakehouse.publish.views import publishable_views
from lakehouse.tables.expectations.book import Expectations, read_expectations
from lakehouse.tables.maintenance import Upkeep
from lakehouse.tables.release import ReleaseLog
from lakehouse.tables.write_audit_publish import Lakehouse
from lakehouse.upkeep_ports import TableUpkeep
from models.config import CHARACTERS, DEMO, GPT2_SMALL, TINY, Recipe
from models.errors import RecipeError
from models.hub import Hub
from models.instruct_recipe import InstructRecipe
from models.instructions import Columns
from models.recipe_fields import read_recipe
from models.trials import SHIPPED, SHIPPED_FOR_ANSWERS


def lakehouse(settings: Settings) -> Lakehouse:
    """Return tables, objects and releases: in plain folders, or at the addresses in the settings."""
    promised = cache(partial(expectations, settings))  # read when something is written, and then once
    if settings.storage == "folder":
        local = LocalObjects(settings.home / "objects")
        tables = IcebergTables.local(settings.home / "tables")
        return Lakehouse(tables, local, ReleaseLog(local, publishable_views), promised)
    access_key = settings.s3_access_key.get_secret_value()
    secret_key = settings.s3_secret_key.get_secret_value()
    objects = S3Objects(
        settings.s3_endpoint,
        access_key,
        secret_key,
        settings.s3_bucket,
        secure=settings.s3_secure,
        ca_file=settings.s3_ca_file,
    )
    return Lakehouse(_tables(settings), objects, ReleaseLog(objects, publishable_views), promised)


def catalog_place(settings: Settings) -> CatalogPlace:
    """Return where the catalog and its files are."""
    scheme = "https" if settings.s3_secure else "http"
    return CatalogPlace(
        settings.catalog_uri,
        warehouse=settings.catalog_warehouse,
        s3_endpoint=f"{scheme}://{settings.s3_endpoint}",
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        password=settings.catalog_password.get_secret_value(),
    )


def _tables(settings: Settings) -> IcebergTables:
    """Return the tables of the catalog at the address in the settings, a database's or a REST server's."""
    make = (
        partial(IcebergTables.database, password=settings.catalog_password.get_secret_value())
        if is_database(settings.catalog_uri)
        else IcebergTables.rest
    )
    scheme = "https" if settings.s3_secure else "http"
    return make(
        settings.catalog_uri,
        warehouse=settings.catalog_warehouse,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        s3_endpoint=f"{scheme}://{settings.s3_endpoint}",
        s3_ca_file=settings.s3_ca_file,
        locks=settings.home / "run",
    )


def care(settings: Settings) -> TableUpkeep:
    """Return who takes care of the tables."""
    tables = lakehouse(settings).tables
    assert isinstance(tables, IcebergTables), "the only tables there are"
    if settings.engine == "spark":
        require_pyspark()  # which is not in every environment
        from lakehouse.adapters.spark_upkeep import SparkUpkeep

        return SparkUpkeep(tables, spark(settings), record_folders(settings))
    here = [settings.home / "objects", settings.home / "tables"] if settings.storage == "folder" else []
    return IcebergUpkeep(tables, [*here, *record_folders(settings)])


def record_folders(settings: Settings) -> list[Path]:
    """Return the folders of this machine in which the archive keeps records of what came and what became of it."""
    kept = ("acceptances", "arrivals", "finished", "reports", "uploads")
    return [*(settings.home / "archive" / name for name in kept), settings.upload_queue]


def engine(settings: Settings) -> Engine:
    """Return what makes rows where this machine's memory ends, if the settings choose one."""
    if settings.engine == "local":
        return Engine()
    require_pyspark()  # which is not in every environment
    from lakehouse.adapters.spark_making import SparkMaker

    tables = lakehouse(settings).tables
    assert isinstance(tables, IcebergTables), "the only tables there are"
    return Engine(SparkMaker(tables, spark(settings)))


# What a killed process left of rows that did not fit into memory goes in a withdrawal, which has to see who is in it.
SPARK_HERE = {"spark.shuffle.compress": "false", "spark.shuffle.spill.compress": "false"}


def spark(settings: Settings) -> SparkPlace:
    """Return Spark on the same catalog and files; raise UnknownSettingError when it could not use them."""
    if settings.storage != "external" or not is_database(settings.catalog_uri):
        raise UnknownSettingError(
            f"{PREFIX}ENGINE is 'spark', which needs a catalog in PostgreSQL: one in a folder is a file for one "
            f"program, and that of SeaweedFS takes no folder of Spark's own; set {PREFIX}STORAGE=external and a "
            f"{PREFIX}CATALOG_URI of postgresql://, or {PREFIX}ENGINE=local"
        )
    if settings.s3_ca_file:
        raise UnknownSettingError(
            f"{PREFIX}ENGINE is 'spark', whose Java trusts the authorities of its own store only, and "
            f"{PREFIX}S3_CA_FILE names another; bring that into Java's store (keytool -importcert -cacerts) and this "
            f"machine's, and leave {PREFIX}S3_CA_FILE empty, or set {PREFIX}ENGINE=local"
        )
    return SparkPlace(
        catalog_place(settings),
        jars=settings.spark_jars or settings.home / "tools" / "jars",
        environment=machine_environment(),
        master=settings.spark_master,
        host=settings.spark_host,
        memory=settings.spark_memory,
        options=SPARK_HERE | {"spark.local.dir": str(settings.home / "scratch" / "spark")},
    )


def require_engine(settings: Settings) -> None:
    """Raise an error that says what to do when what the settings choose for heavy work cannot be started here."""
    if settings.engine == "spark":
        spark(settings).require()


def upkeep(settings: Settings) -> Upkeep:
    """Return how long old things are kept."""
    return Upkeep(settings.maintain_keep_days, settings.maintain_keep_releases, settings.maintain_abandoned_hours)


def shelf(settings: Settings) -> Shelf:
    """Return the archive's folders."""
    return Shelf(
        root=settings.home / "archive",
        inbox=settings.home / "inbox",
        gate=fair_gate(settings),
        packs=rule_packs(settings),
        withdrawn=WithdrawnPeople(
            lakehouse(settings).objects, Signer(settings.home / "keys"), settings.home / "archive" / "recognised"
        ),
    )


RECIPES: Mapping[str, Recipe] = {"demo": DEMO, "characters": CHARACTERS, "tiny": TINY, "gpt2_small": GPT2_SMALL}


def workshop(settings: Settings) -> Workshop:
    """Return where models are made."""
    recipe = RECIPES[settings.model_recipe]
    trials = Path(settings.model_trials).resolve() if settings.model_trials else SHIPPED
    known = (
        KnownTestsFolder(Path(settings.known_tests).resolve(), settings.known_tests_most)
        if settings.known_tests
        else None
    )
    return Workshop(root=settings.home / "models", recipe=recipe, trials=trials, known_tests=known)


def uploads(settings: Settings) -> Uploads:
    """Return the bucket of uploads; raise UnknownSettingError when its server is not named."""
    if not settings.s3_endpoint:
        raise UnknownSettingError(
            f"{PREFIX}S3_INBOX is {settings.s3_inbox!r}, but {PREFIX}S3_ENDPOINT is empty; set both"
        )
    bucket = S3Uploads(
        settings.s3_endpoint,
        settings.s3_access_key.get_secret_value(),
        settings.s3_secret_key.get_secret_value(),
        settings.s3_inbox,
        secure=settings.s3_secure,
        ca_file=settings.s3_ca_file,
    )
    return Uploads(
        bucket, UploadQueue(settings.upload_queue), settings.home / "inbox", settings.home / "archive" / "uploads"
    )


def versions(settings: Settings) -> DataladVersions:
    """Return the DataLad datasets."""
    return DataladVersions(settings.home / "archive" / "datasets")


def naming(settings: Settings) -> Naming:
    """Return how identifiers are minted and where the catalogue answers."""
    return Naming(settings.identifier_naan, settings.catalogue_url or settings.url(settings.catalogue_port))


def denied_log(settings: Settings) -> DeniedLog:
    """Return where denied decisions are kept."""
    return DeniedLog(settings.home / "logs" / "denied.jsonl")


def statement_log(settings: Settings) -> StatementLog:
    """Return where statements are kept, for as many days as the policy says."""
    file = users_file(settings)
    return StatementLog(settings.home / "logs" / "statements", lambda: file.current().keep_statements_days, read)


def permission(settings: Settings) -> Permission:
    """Return what decides whether models may learn from a dataset."""
    leave_out = settings.training_forbidden == "leave_out"
    return Permission(users_file(settings), denied_log(settings), leave_out=leave_out)


def expectations(settings: Settings) -> Expectations:
    """Return what tables promise: what is shipped, and what the folder that the settings name says."""
    return read_expectations([PROJECT / settings.expectations] if settings.expectations else [])


def gate(settings: Settings) -> Gate:
    """Return what a candidate needs besides its numbers before it becomes the current model."""
    return Gate(approval=settings.promotion_approval == "person")


def mirror(settings: Settings) -> RunMirror:
    """Return where training runs are copied to: nowhere, unless a tracking server is named."""
    if not settings.mlflow_url:
        return NoMirror()
    token = settings.mlflow_token.get_secret_value()
    return MlflowMirror(settings.mlflow_url, settings.mlflow_experiment, token)


def lessons(settings: Settings) -> Lessons:
    """Return what a model is taught to answer from; of no dataset where settings name no table."""
    dataset, _, table = settings.instruct_table.partition(".")
    if settings.instruct_table and (not dataset or not table or "." in table):
        raise UnknownSettingError(f"{PREFIX}INSTRUCT_TABLE is {settings.instruct_table!r}; write dataset.table")
    return Lessons(
        dataset=dataset,
        table=table,
        columns=Columns(group=settings.instruct_group or None),
        recipe=lambda: replace(_instruct_recipe(settings.instruct_recipe), method=settings.instruct_method),
        base=partial(bases(settings).folder, settings.instruct_base) if settings.instruct_base else None,
        trials=(SHIPPED_FOR_ANSWERS, *((settings.instruct_trials,) if settings.instruct_trials else ())),
    )


def bases(settings: Settings) -> Bases:
    """Return what finds a base that somebody names."""
    token, largest = settings.hub_token.get_secret_value(), int(settings.hub_largest_gb * 1e9)
    accepted = frozenset(each.strip() for each in settings.hub_licences.split(",") if each.strip())
    return Bases(Hub(settings.hub_url, token, largest), settings.home / "models" / "hub", accepted)


def _instruct_recipe(path: Path | None) -> InstructRecipe:
    if path is None:
        return InstructRecipe()
    try:
        return read_recipe(InstructRecipe, path)
    except RecipeError as error:
        raise UnknownSettingError(f"{PREFIX}INSTRUCT_RECIPE: {error}") from error


def resources(settings: Settings) -> dict[str, object]:
    """Return everything assets ask for, by the name they ask with."""
    return {
        "shelf": shelf(settings),
        "house": lakehouse(settings),
        "care": care(settings),
        "upkeep": upkeep(settings),
        "engine": engine(settings),
        "silver_key": SilverKey(settings.home / "keys"),
        "versions": versions(settings),
        "naming": naming(settings),
        "workshop": workshop(settings),
        "origin": Origin(code_commit=code_commit()),
        "permission": permission(settings),
        "expectations": expectations(settings),
        "gate": gate(settings),
        "lessons": lessons(settings),
        "mirror": mirror(settings),
        **({"uploads": uploads(settings)} if settings.s3_inbox else {}),
    }


def ensure_folders(settings: Settings) -> None:
    """Create the state folder, closed to other users of the machine, and the folders people put files into."""
    settings.home.mkdir(parents=True, exist_ok=True)
    settings.home.chmod(0o700)
    for folder in (settings.home / "inbox", settings.home / "archive", settings.home / "models"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    users_file(settings).ensure()
