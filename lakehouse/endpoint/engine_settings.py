"""The settings that every engine process begins with: its limits, its key to the files, and the lock on both."""

from sqlglot import exp

from lakehouse.endpoint.config import EndpointConfig, S3Access

SCHEMA = "pins"


def setup(config: EndpointConfig) -> list[str]:
    """Return what an engine does first: its limits, the key to the table files, then the lock on all of it."""
    folders = [root.removeprefix("file://").rstrip("/") + "/" for root in config.roots]
    settings: list[tuple[str, exp.Expr]] = [
        ("memory_limit", exp.Literal.string(config.memory_limit)),
        ("threads", exp.Literal.number(config.threads)),
    ]
    if config.s3 is not None and config.s3.secure:
        # DuckDB has a client that verifies by itself, and one that has to be told.
        settings.append(("enable_server_cert_verification", exp.true()))
    if config.s3 is not None and config.s3.ca_file:
        settings.append(("ca_cert_file", exp.Literal.string(config.s3.ca_file)))
    lock: list[tuple[str, exp.Expr]] = [
        ("allowed_directories", exp.Array(expressions=[exp.Literal.string(folder) for folder in folders])),
        ("enable_external_access", exp.false()),
        ("lock_configuration", exp.true()),
    ]
    schema = exp.Create(this=exp.Table(db=exp.to_identifier(SCHEMA)), kind="SCHEMA").sql("duckdb")
    secret = [] if config.s3 is None else [_secret(config.s3).sql("duckdb")]
    return [*(_set(*one) for one in settings), *secret, schema, *(_set(*one) for one in lock)]


def _set(name: str, value: exp.Expr) -> str:
    return f"SET GLOBAL {exp.to_identifier(name).sql('duckdb')} = {value.sql('duckdb')}"


def _secret(s3: S3Access) -> exp.Expr:
    values = {
        "key_id": exp.Literal.string(s3.access_key),
        "secret": exp.Literal.string(s3.secret_key),
        "endpoint": exp.Literal.string(s3.endpoint),
        "region": exp.Literal.string(s3.region),
        "url_style": exp.Literal.string("path"),
        "use_ssl": exp.true() if s3.secure else exp.false(),
    }
    words = " ".join(f", {name} {value.sql('duckdb')}" for name, value in values.items())
    return exp.Command(this="CREATE", expression=f"SECRET lake (TYPE s3{words})")
