"""Every Parquet file of ours carries page checksums, and whoever reads one verifies them."""

import ast

from dagster_project.settings import PROJECT

PACKAGES = ("lakehouse", "assets", "models", "dagster_project", "superset")
FLAGS = {
    "write_table": "write_page_checksum",
    "ParquetWriter": "write_page_checksum",
    "read_table": "page_checksum_verification",
    "ParquetFile": "page_checksum_verification",
}


def calls():
    """Yield every call of pyarrow.parquet that reads or writes a file: where it is, its name, what is set to True."""
    for package in PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FLAGS:
                    named = isinstance(node.func.value, ast.Name) and node.func.value.id == "pq"
                    if named:
                        true = {one.arg for one in node.keywords if ast.unparse(one.value) == "True"}
                        yield f"{path.relative_to(PROJECT)}:{node.lineno}", node.func.attr, true


def test_every_call_that_reads_or_writes_parquet_has_checksums():
    found = list(calls())
    assert {name for _, name, _ in found} == FLAGS.keys()
    assert not [f"{place} {name}" for place, name, true in found if FLAGS[name] not in true]
