"""A Spark session that reads and writes the same tables through the same catalog, and how it is made."""

import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from lakehouse import errors
from lakehouse.adapters.iceberg_catalogs import CATALOG
from lakehouse.adapters.iceberg_database import address
from lakehouse.adapters.spark_needs import require_jars, require_java, require_pyspark
from lakehouse.errors import LakehouseError, SparkError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OWN_ERROR = re.compile(r"^lakehouse\.errors\.(\w+): (.*)$", re.MULTILINE)
SCRATCH = "scratch"
NAMESPACE = "copies"
EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
CATALOG_CLASS = "org.apache.iceberg.spark.SparkCatalog"


@dataclass(frozen=True, slots=True)
class CatalogPlace:
    """Where the catalog in PostgreSQL and its files are; see `IcebergTables.database`."""

    uri: str
    warehouse: str
    s3_endpoint: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    password: str = field(default="", repr=False)

    def options(self) -> dict[str, str]:
        """Return what Iceberg's Spark catalog is told."""
        url = address(self.uri)
        port = f":{url.port}" if url.port else ""
        query = f"?{urlencode(dict(url.query))}" if url.query else ""
        database = {
            "type": "jdbc",
            "uri": f"jdbc:postgresql://{url.host}{port}/{url.database}{query}",
            "jdbc.user": str(url.username),
            "jdbc.password": self.password,
        }
        return {"": CATALOG_CLASS, **self.files(), **database}

    def files(self) -> dict[str, str]:
        """Return how files are reached; nothing of a table is kept from one statement to the next."""
        return {
            "warehouse": self.warehouse,
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "s3.endpoint": self.s3_endpoint,
            "s3.access-key-id": self.access_key,
            "s3.secret-access-key": self.secret_key,
            "s3.path-style-access": "true",
            "client.region": "us-east-1",
            # Else it showed 3 files where 53 were.
            "cache-enabled": "false",
        }


@dataclass(frozen=True)
class SparkPlace:
    """Where Spark runs and what it works on. Nothing is started before the first use; one session a process.

    `master` is ``local[n]`` or ``spark://host:port``; `host` is the address under which its workers reach this process.
    Workers run this project's code: they need the same Python, with the same packages, at the same path.
    """

    catalog: CatalogPlace
    jars: Path
    environment: Mapping[str, str] = field(repr=False)
    master: str = "local[*]"
    host: str = "127.0.0.1"
    memory: str = "2g"
    options: Mapping[str, str] = field(default_factory=dict)

    def require(self) -> list[Path]:
        """Return the jars that are loaded.

        Raises:
            NoJavaError: no Java here runs Spark.
            NoSparkError: pyspark or a jar is missing, or a jar is not the one that was asked for.
        """
        require_pyspark()
        require_java(self.environment)
        return require_jars(self.jars)

    @cached_property
    def session(self) -> "SparkSession":
        """The session: tables are ``lakehouse.<namespace>.<table>``, a branch ``....branch_<name>``.

        Raises SparkError when it does not start, and what `require` raises.
        """
        jars = self.require()
        with spark_errors(f"Spark at {self.master}"):
            session = self._started(jars).newSession()
            session.sparkContext.pythonExec = sys.executable
            # Told to the running session: what it is started with stands in the list of processes for all to read.
            for name, value in self._catalogs().items():
                session.conf.set(name, value)
            session.sql(f"create namespace {SCRATCH}.{NAMESPACE}")
        return session

    def _started(self, jars: list[Path]) -> "SparkSession":
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.appName("lakehouse").master(self.master)
        fixed = {
            "spark.jars": ",".join(map(str, jars)),
            "spark.sql.extensions": EXTENSIONS,
            "spark.driver.memory": self.memory,
            "spark.driver.host": self.host,
            "spark.driver.bindAddress": self.host,
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
            "spark.sql.catalogImplementation": "in-memory",
        }
        for name, value in {**fixed, **self.options}.items():
            builder = builder.config(name, value)
        return builder.getOrCreate()

    def _catalogs(self) -> dict[str, str]:
        # A catalog in this process's memory, for private copies of tables.
        memory = f"jdbc:h2:mem:{uuid.uuid4().hex};DB_CLOSE_DELAY=-1;DATABASE_TO_LOWER=TRUE"
        scratch = {"": CATALOG_CLASS, **self.catalog.files(), "type": "jdbc", "uri": memory}
        return {
            f"spark.sql.catalog.{name}{'.' if option else ''}{option}": value
            for name, options in ((CATALOG, self.catalog.options()), (SCRATCH, scratch))
            for option, value in options.items()
        }

    def close(self) -> None:
        """End Spark and its Java, for all sessions of this process."""
        if "session" not in vars(self):
            return
        from pyspark import SparkContext

        gateway = SparkContext._gateway
        self.session.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
        # Else the next session of this process would ask the Java that has ended.
        SparkContext._gateway = SparkContext._jvm = None


@contextmanager
def spark_errors(what: str) -> Iterator[None]:
    """Raise SparkError for whatever Spark, Java or the bridge to it reports.

    Errors of this library pass, and those that a worker met, which arrive as words, are raised as what they are.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except LakehouseError:
        raise
    except (Py4JError, PySparkException) as error:
        if (known := OWN_ERROR.search(str(error))) and isinstance(kind := vars(errors).get(known[1]), type):
            raise kind(known[2]) from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        causes = [line for line in lines if line.startswith(("Caused by:", ": "))]
        raise SparkError(f"{what} failed: {(causes or lines or [repr(error)])[-1][:600]}; see its log") from error
