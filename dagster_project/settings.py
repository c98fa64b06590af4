"""All settings, typed and read once: defaults, the state folder's env file, the profile, the environment."""

import difflib
import ipaddress
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from lakehouse.adapters.catalog_address import holds_password, is_database, misfit
from lakehouse.errors import UnknownSettingError

PROJECT = Path(__file__).resolve().parent.parent
PREFIX = "LAKEHOUSE_"

Port = Annotated[int, Field(ge=1, le=65535)]


def _there(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise ValueError(f"{path} is not a file")
    return path


def _whole(path: Path | None) -> Path | None:
    return None if path is None else (PROJECT / path).resolve()


def _whole_base(given: str) -> str:
    """A folder is one of the project's; a checkpoint of the hub is named as it is."""
    return given if not given or given.startswith("hub:") else str((PROJECT / given).resolve())


# An empty value is as good as none.
Given = Annotated[Path | None, BeforeValidator(lambda path: path or None), AfterValidator(_whole)]
Home = Annotated[Path, AfterValidator(lambda path: (PROJECT / path).resolve())]


class Settings(BaseModel):
    """Every setting. The environment variable is the field's name in capitals after ``LAKEHOUSE_``."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    home: Home = Field(Path(".lakehouse"), description="Folder of all data, logs, secrets and environments.")
    host: str = Field("127.0.0.1", description="Address the servers listen on.")

    dagster_port: Port = Field(3000, description="Dagster's web pages.")
    dagster_database: str = Field(
        "",
        description="Where Dagster keeps runs and events, postgresql://user@host:port/database; empty: in the state "
        "folder.",
    )
    dagster_password: SecretStr = Field(SecretStr(""), description="Password of that database's user.")
    dagster_code: str = Field(
        "", description="host:port of a code location's server; empty: pages and daemon load the code themselves."
    )
    code_port: Port = Field(4000, description="The code location's server, where it runs by itself.")
    superset_port: Port = Field(8088, description="Superset's web pages.")
    sql_port: Port = Field(32010, description="SQL endpoint (Arrow Flight), Dremio's default port.")
    catalogue_port: Port = Field(8600, description="The catalogue's web pages and JSON API.")
    metrics_port: Port = Field(8620, description="Numbers for Prometheus, where `lakehouse serve-metrics` runs.")
    storage: Literal["bundled", "folder", "external"] = Field(
        "bundled", description="SeaweedFS started here; plain folders and no server; or the addresses below."
    )
    storage_ports: str = Field("", description="Ports of the object store and catalog, chosen at the first start.")

    s3_endpoint: str = Field("", description="host:port of the S3 API.")
    s3_secure: bool = Field(default=False, description="Whether the S3 API speaks TLS.")
    s3_ca_file: Annotated[Given, AfterValidator(_there)] = Field(
        None, description="PEM file of the authority that signed the S3 API's certificate; empty: public ones."
    )
    s3_access_key: SecretStr = Field(SecretStr(""), description="S3 access key.")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="S3 secret key.")
    s3_steward_access_key: SecretStr = Field(
        SecretStr(""), description="S3 access key of who may delete object versions and break locks; for withdrawals."
    )
    s3_steward_secret_key: SecretStr = Field(SecretStr(""), description="Its secret key.")
    s3_bucket: str = Field("lake", description="Bucket for releases.")
    s3_inbox: str = Field("", description="Bucket into which submissions are uploaded; empty for none.")
    s3_inbox_seconds: int = Field(
        300, ge=1, description="How often that bucket is looked through for what no notification told of."
    )
    uploads_port: Port = Field(8610, description="Receiver of the storage's notifications of uploads.")
    uploads_token: SecretStr = Field(SecretStr(""), description="Token that the storage sends with them.")
    catalog_uri: str = Field(
        "", description="Address of the Iceberg REST catalog, or postgresql://user@host:port/database for one there."
    )
    catalog_password: SecretStr = Field(SecretStr(""), description="Password of that database's user.")
    catalog_warehouse: str = Field("s3://icewh", description="Warehouse name in that catalog.")

    engine: Literal["local", "spark"] = Field(
        "local", description="What does the heavy work on tables: this process, or Spark (`make spark`)."
    )
    spark_master: str = Field(
        "local[*]",
        pattern=r"^(local(\[(\*|[0-9]+)\])?|spark://.+)$",
        description="Where Spark runs: local[n] in a process here, or spark://host:port.",
    )
    spark_host: str = Field("127.0.0.1", description="Address under which Spark's workers reach this machine.")
    spark_memory: str = Field("2g", pattern=r"^[0-9]+[mg]$", description="Memory of Spark's own process here.")
    spark_jars: Path | None = Field(None, description="Folder of its jars; empty: where `make spark` puts them.")

    sql_uri: str = Field("", description="Address of the SQL engine, grpc://host:port or grpc+tls://host:port.")
    sql_user: str = Field("lakehouse", description="User of the SQL engine.")
    sql_password: SecretStr = Field(SecretStr(""), description="Password of that user.")
    sql_secret: SecretStr = Field(
        SecretStr(""),
        description="Draws who is left out of groups of people, and makes pseudonyms; nobody who asks may know it. "
        "Empty: one is drawn once and kept in the state folder.",
    )
    sql_token: SecretStr = Field(
        SecretStr(""), description="Personal token that the SQL endpoint takes for that user, beside the password."
    )
    policy: Path | None = Field(
        None, description="File of users, roles and purposes; empty: policy.yaml in the state folder."
    )
    sql_tls_certificate: Path | None = Field(None, description="PEM file of the SQL endpoint's certificate chain.")
    sql_tls_key: Path | None = Field(None, description="PEM file of that certificate's key; both or neither.")
    sql_tls_roots: Path | None = Field(
        None, description="PEM file of the authorities that signed the SQL engine's certificate; empty: public ones."
    )
    sql_timeout_seconds: float = Field(60.0, gt=0, description="Longest time one statement may take.")
    sql_kept_bytes: int = Field(
        512 * 1024 * 1024,
        ge=0,
        description="Memory in which the SQL endpoint keeps rows of large tables to hand them out again; 0 for none.",
    )
    sql_ahead_bytes: int = Field(
        384 * 1024 * 1024,
        ge=0,
        description="How much of it may hold tables that a release brings, before anyone asks; 0 reads nothing ahead.",
    )

    dremio_url: str = Field("", description="REST address of a Dremio to set up, http(s)://host:9047; empty for none.")
    dremio_source: Literal["nessie", "rest"] = Field(
        "nessie", description="Kind of catalog Dremio reads: Nessie's own API, or an Iceberg REST catalog."
    )
    dremio_catalog_uri: str = Field("", description="Catalog's address as Dremio sees it; empty: `catalog_uri`.")
    dremio_s3_endpoint: str = Field("", description="S3 host:port as Dremio sees it; empty: `s3_endpoint`.")

    superset_database: str = Field(
        "",
        description="Where Superset keeps its own records, postgresql://user@host:port/database; empty: in the state "
        "folder. Withdrawals look there too.",
    )
    superset_database_password: SecretStr = Field(SecretStr(""), description="Password of that database's user.")
    superset_user: str = Field("admin", description="Superset's administrator.")
    superset_password: SecretStr = Field(SecretStr(""), description="Password of the administrator.")
    superset_viewer_password: SecretStr = Field(SecretStr(""), description="Password of `viewer`, who may only look.")
    superset_secret_key: SecretStr = Field(SecretStr(""), description="Key that signs Superset's sessions.")

    catalogue_url: str = Field("", description="Address under which others reach the catalogue; here when empty.")
    identifier_naan: str = Field(
        "99999",
        pattern=r"^[0-9bcdfghjkmnpqrstvwxz]{5,16}$",
        description="Name assigning authority number of the archive's ARKs; 99999 is the one for tests.",
    )
    datacite_url: str = Field(
        "", description="DataCite's API, e.g. https://api.datacite.org; empty without an account."
    )
    datacite_repository: str = Field("", description="Repository account at DataCite.")
    datacite_password: SecretStr = Field(SecretStr(""), description="Password of that account.")
    datacite_prefix: str = Field("", description="DOI prefix of that account, e.g. 10.5072.")

    mlflow_url: str = Field(
        "", description="MLflow tracking server that training runs are copied to, http(s)://host:port; empty for none."
    )
    mlflow_experiment: str = Field("education-lakehouse", min_length=1, description="Experiment they are copied into.")
    mlflow_token: SecretStr = Field(SecretStr(""), description="Token of that server, where it asks for one.")

    model_recipe: Literal["demo", "characters", "tiny", "gpt2_small"] = Field(
        "demo", description="How large a language model to train; gpt2_small needs a card."
    )
    instruct_table: str = Field(
        "", description="Table, dataset.table, of instructions that the job `instruct` teaches a model from."
    )
    instruct_group: str = Field("", description="Its column of what belongs together; empty: rows that ask the same.")
    instruct_method: Literal["full", "lora"] = Field("lora", description="What of the base moves.")
    instruct_base: Annotated[str, AfterValidator(_whole_base)] = Field(
        "",
        description="Checkpoint to teach: a folder, or hub:OWNER/NAME@REVISION; empty: the current language model.",
    )
    instruct_recipe: Given = Field(
        None, description="JSON file of a recipe; what it leaves out has its default, and the method is as above."
    )
    instruct_trials: Given = Field(
        None, description="YAML file of tests of that model, besides those of models/instruct_trials.yaml or over them."
    )
    hub_url: str = Field(
        "https://huggingface.co",
        pattern=r"^https?://[^/@\s]+$",
        description="Hub that is asked for a base named as hub:OWNER/NAME@REVISION; nothing else asks it.",
    )
    hub_token: SecretStr = Field(SecretStr(""), description="Token for checkpoints of the hub that are not open.")
    hub_largest_gb: float = Field(5.0, gt=0, description="How much of one checkpoint is fetched at most.")
    hub_licences: str = Field(
        "", description="Licences of model cards, by comma, that somebody read and accepts besides those that permit."
    )
    fair_gate: Literal["warn", "block"] = Field("warn", description="Warn about a low FAIR score, or refuse it.")
    fair_threshold: float = Field(0.5, ge=0, le=1, description="FAIR score, 0 to 1, from which a dataset passes.")
    training_forbidden: Literal["fail", "leave_out"] = Field(
        "fail", description="What training does with a dataset whose terms forbid it: fail naming it, or do without."
    )
    promotion_approval: Literal["none", "person"] = Field(
        "none", description="Whether a better model becomes current by itself or waits for `lakehouse models approve`."
    )
    model_trials: str = Field("", description="YAML file of tests of the model, instead of models/trials.yaml.")
    known_tests: str = Field(
        "", description="Folder of published tests (blimp, arc, prompt_injection) that models are measured on."
    )
    known_tests_most: int = Field(
        0, ge=0, description="Pairs a paradigm, questions a part and injections that are taken of them; 0 for all."
    )
    rule_packs: str = Field("", description="Folder of rule packs of others, besides those the archive ships.")
    expectations: str = Field(
        "", description="Folder of YAML files that say what tables promise, besides those shipped."
    )
    health_cron: str = Field(
        "0 5 * * *", description="When the promises of the project's own tables are looked at (UTC)."
    )
    retrain_cron: str = Field("0 2 * * *", description="When the scheduled retraining runs (UTC).")
    maintain_cron: str = Field("30 3 * * *", description="When tables are taken care of (UTC); empty for never.")
    maintain_keep_days: float = Field(30.0, ge=0, description="How long old snapshots and releases stay readable.")
    maintain_keep_releases: int = Field(10, ge=1, description="How many of the newest releases stay in any case.")
    maintain_abandoned_hours: float = Field(
        24.0, gt=0, description="Age from which a branch or file that nothing needs is taken for left over."
    )
    inbox_seconds: int = Field(15, ge=1, description="How often the inbox is looked at.")
    drift_seconds: int = Field(30, ge=1, description="How often retraining decisions are looked at.")

    @property
    def env_file(self) -> Path:
        """Secrets and ports of this machine, made by `lakehouse up` or `lakehouse demo`, readable by its owner only."""
        return self.home / "local.env"

    @property
    def upload_queue(self) -> Path:
        """Folder of the names of uploads that a storage has told of."""
        return self.home / "uploads"

    def url(self, port: int) -> str:
        """Return the address of a local web server."""
        return f"http://{self.host}:{port}"


def read_env_file(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines; blank lines and ``#`` comments are skipped. An absent file has no settings."""
    if not path.is_file():
        return {}
    pairs = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator:
            raise UnknownSettingError(f"{path}:{number} is {line!r}; write NAME=value")
        pairs[name.strip()] = value.strip()
    return pairs


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings; raise UnknownSettingError for a name or value that is not one.

    A secret may also stand in a file of its own, which its name with ``_FILE`` after it gives.
    ``LAKEHOUSE_PROFILE`` names one more env file, which stands above the state folder's own.
    """
    given = {k: v for k, v in (os.environ if environment is None else environment).items() if k.startswith(PREFIX)}
    profile = given.pop(f"{PREFIX}PROFILE", "")
    layers = [read_env_file(Path(profile)), given] if profile else [given]
    if profile and not Path(profile).is_file():
        raise UnknownSettingError(f"{PREFIX}PROFILE names {profile!r}, which is not a file")
    home = next((layer[f"{PREFIX}HOME"] for layer in reversed(layers) if f"{PREFIX}HOME" in layer), None)
    own = _parse({f"{PREFIX}HOME": home} if home else {})
    merged = _with_secrets(read_env_file(own.env_file))
    for layer in layers:
        merged.update(_with_secrets(layer))
    return _parse(merged)


def _with_secrets(layer: Mapping[str, str]) -> dict[str, str]:
    """Return settings with each secret that is given as ``NAME_FILE`` read from that file, its last line end left off.

    A relative path counts from the project's folder, since servers are started elsewhere than commands.
    """
    secret = {
        f"{PREFIX}{name.upper()}" for name, field in Settings.model_fields.items() if field.annotation is SecretStr
    }
    found = dict(layer)
    for name in sorted(secret.intersection(name.removesuffix("_FILE") for name in layer if name.endswith("_FILE"))):
        path = found.pop(f"{name}_FILE")
        if name in layer:
            raise UnknownSettingError(f"{name} and {name}_FILE are both given; keep one")
        try:
            found[name] = (PROJECT / path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UnknownSettingError(f"{name}_FILE is {path!r}, which cannot be read ({error}); correct it") from error
    return found


# Settings that are addresses of databases or catalogs, and those of their passwords.
ADDRESSES = {
    "CATALOG_URI": "CATALOG_PASSWORD",
    "DAGSTER_DATABASE": "DAGSTER_PASSWORD",
    "SUPERSET_DATABASE": "SUPERSET_DATABASE_PASSWORD",
}


def _parse(pairs: Mapping[str, str]) -> Settings:
    known = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    for name in pairs:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "`lakehouse settings` lists all"
            raise UnknownSettingError(f"{name} is not a setting; {hint}")
    for address, password in ADDRESSES.items():
        _require_address(f"{PREFIX}{address}", f"{PREFIX}{password}", pairs.get(f"{PREFIX}{address}", ""))
    _require_no_password(pairs.get(f"{PREFIX}DREMIO_CATALOG_URI", ""))
    _require_tracking_server(pairs.get(f"{PREFIX}MLFLOW_URL", ""))
    try:
        settings = Settings.model_validate({known[name]: value for name, value in pairs.items()})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{'_'.join(str(part) for part in first['loc']).upper()}"
        raise UnknownSettingError(
            f"{name} is {first['input']!r}: {first['msg']}; correct it and start again"
        ) from error
    if settings.s3_ca_file and not settings.s3_secure:
        raise UnknownSettingError(
            f"{PREFIX}S3_CA_FILE names an authority, but {PREFIX}S3_SECURE is false, so nothing would be encrypted; "
            f"set {PREFIX}S3_SECURE=true, or leave the file out"
        )
    for name in ("mlflow", "hub"):
        _require_covered_token(name, getattr(settings, f"{name}_url"), getattr(settings, f"{name}_token"))
    return settings


def _require_address(name: str, password: str, address: str) -> None:
    if holds_password(address):
        raise UnknownSettingError(
            f"{name} holds a password, which commands and logs would show; move it to "
            f"{password}, or to a file that {password}_FILE names"
        )
    if address and (why := misfit(address)):
        raise UnknownSettingError(f"{name} {why}")
    if address and name.endswith("DATABASE") and not is_database(address):
        raise UnknownSettingError(f"{name} is {address!r}; write postgresql://user@host:port/database")


def _require_no_password(address: str) -> None:
    if holds_password(address):
        raise UnknownSettingError(
            f"{PREFIX}DREMIO_CATALOG_URI holds a password, which Dremio would show to whoever may see its sources; "
            "name a catalog that needs none from there"
        )


def _require_tracking_server(address: str) -> None:
    if holds_password(address) or "@" in address:
        raise UnknownSettingError(
            f"{PREFIX}MLFLOW_URL holds a user or a password, which is not sent and would be shown; give a token as "
            f"{PREFIX}MLFLOW_TOKEN, or in a file that {PREFIX}MLFLOW_TOKEN_FILE names"
        )
    if address and (misfit(address) or is_database(address) or any(letter.isspace() for letter in address)):
        raise UnknownSettingError(f"{PREFIX}MLFLOW_URL is no address of a server; write http(s)://host:port")


def _require_covered_token(name: str, address: str, token: SecretStr) -> None:
    """Refuse a token that neither goes over TLS nor stays on this machine, for it can be read on the way."""
    place, called = urlsplit(address), f"{PREFIX}{name.upper()}"
    if token.get_secret_value() and place.scheme.lower() == "http" and not _is_here(place.hostname):
        raise UnknownSettingError(
            f"{called}_TOKEN would go to {place.hostname} unencrypted; write https:// in {called}_URL, or leave the "
            "token out"
        )


def _is_here(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def machine_environment() -> dict[str, str]:
    """Return the environment to hand to child processes, without this project's own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def own_environment() -> dict[str, str]:
    """Return this project's own settings as they stand in the environment, for its own child processes."""
    own = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    if profile := own.get(f"{PREFIX}PROFILE"):
        own[f"{PREFIX}PROFILE"] = str(Path(profile).resolve())  # children start in another folder
    return own


def code_commit() -> str:
    """Return the commit of this checkout, with ``+dirty`` when files differ from it, or ``unknown`` outside git."""
    head = _git("rev-parse", "HEAD")
    if head is None:
        return "unknown"
    return head + ("+dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed program and arguments
            ["git", "-C", str(PROJECT), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
