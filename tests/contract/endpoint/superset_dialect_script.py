"""Run with the dashboards' own Python: what sqlalchemy_dremio gets from an endpoint, printed as JSON.

argv: host:port, user, password, and a file with one SQL statement a line.
"""

import json
import sys
import warnings
from pathlib import Path

import sqlalchemy as sa

warnings.simplefilter("ignore")
where, user, password, statements = sys.argv[1:]
url = sa.engine.URL.create("dremio+flight", user, password, *where.split(":"), database="dremio")
engine = sa.create_engine(url.update_query_dict({"UseEncryption": "false"}))
inspector = sa.inspect(engine)
answers = {
    "schemas": inspector.get_schema_names(),
    "tables": inspector.get_table_names("kpi"),
    "has_table": inspector.has_table("documents", schema="lakehouse.gold"),
    "columns": {
        name: str(column["type"])
        for column in inspector.get_columns("submissions", "lakehouse.archive")
        for name in [column["name"]]
    },
    "views": inspector.get_view_names("kpi"),
    "rows": [],
}
with engine.connect() as connection:
    for line in Path(statements).read_text().splitlines():
        result = connection.exec_driver_sql(line)
        rows = [[str(value) for value in row] for row in result.fetchall()]
        answers["rows"].append({"names": list(result.keys()), "rows": rows})
sys.stdout.write(json.dumps(answers) + "\n")
