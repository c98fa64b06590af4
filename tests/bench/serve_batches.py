"""Serves a Parquet file's rows as ready batches over bare Flight, in its own process; ends when its input does."""

import sys

import pyarrow.flight as flight
import pyarrow.parquet as pq


class Ready(flight.FlightServerBase):
    """Sends the same batches at every call."""

    def __init__(self, table):
        super().__init__("grpc://127.0.0.1:0")
        self._table = table

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(self._table)


server = Ready(pq.read_table(sys.argv[1]))
sys.stdout.write(f"grpc://127.0.0.1:{server.port}\n")
sys.stdout.flush()
sys.stdin.read()
server.shutdown()
