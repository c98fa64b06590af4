"""Run with the dashboards' own Python: what flightsql-dbapi gets from an endpoint, printed as JSON.

argv: host, port, user, password.
"""

import json
import sys
import warnings

import flightsql.sqlalchemy  # makes its dialect known to SQLAlchemy
import sqlalchemy as sa
from flightsql import FlightSQLClient, connect

warnings.simplefilter("ignore")
host, port, user, password = sys.argv[1:]
DOCUMENTS = "SELECT split, COUNT(*) AS n FROM lakehouse.gold.documents GROUP BY split ORDER BY split"


def refusal(task):
    """Say what a task was refused with."""
    try:
        task()
    except Exception as error:  # noqa: BLE001 (which one it is, is what is asked)
        return [type(error).__name__, str(error)]
    return []


client = FlightSQLClient(host=host, port=int(port), user=user, password=password, insecure=True)
connection = connect(client)
cursor = connection.cursor()
answers = {
    "rows": [list(row) for row in cursor.execute(DOCUMENTS).fetchall()],
    "names": [column[0] for column in cursor.description],
    "none": cursor.execute("SELECT 1 AS n WHERE 1 = 0").fetchall(),
    "schemas": connection.flightsql_get_schema_names(),
    "tables": connection.flightsql_get_table_names("kpi"),
    "columns": [column["name"] for column in connection.flightsql_get_columns("outcomes_by_year", "kpi")],
    "types": client.do_get(client.get_tables(db_schema_filter_pattern="kpi").endpoints[0].ticket)
    .read_all()
    .column("table_type")
    .to_pylist(),
    "unknown": refusal(lambda: cursor.execute("SELECT * FROM lakehouse.gold.document")),
    "bound": refusal(lambda: cursor.execute("SELECT ?", (1,))),
    "login": refusal(lambda: FlightSQLClient(host=host, port=int(port), user=user, password="no", insecure=True)),
    "after": [list(row) for row in cursor.execute("SELECT 7 AS n").fetchall()],
}
url = sa.engine.URL.create("datafusion+flightsql", user, password, host, int(port)).update_query_dict({"insecure": "1"})
engine = sa.create_engine(url)
with engine.connect() as reached:
    answers["sqlalchemy"] = [list(row) for row in reached.exec_driver_sql(DOCUMENTS).fetchall()]
answers["dialect"] = [flightsql.sqlalchemy.DataFusionDialect.name, sa.inspect(engine).get_table_names("kpi")]
sys.stdout.write(json.dumps(answers) + "\n")
