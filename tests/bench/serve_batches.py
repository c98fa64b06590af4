"""Serves a Parquet file's rows as ready batches over bare Flight, in its own process; ends when its input does.

A ticket with the paths of files, one a line, has pyarrow read them: what a server that checks nothing could do at best.
"""

import sys

import pyarrow.flight as flight
import pyarrow.parquet as pq


class Ready(flight.FlightServerBase):
    """Sends the same batches at every call, or reads files."""

    def __init__(self, table):
        super().__init__("grpc://127.0.0.1:0")
        self._table = table

    def do_get(self, context, ticket):
        if ticket.ticket:
            paths = ticket.ticket.decode().splitlines()
            return flight.GeneratorStream(pq.read_schema(paths[0]), read(paths))
        return flight.RecordBatchStream(self._table)


def read(paths):
    for path in paths:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(65_536, use_threads=False)


server = Ready(pq.read_table(sys.argv[1]))
sys.stdout.write(f"grpc://127.0.0.1:{server.port}\n")
sys.stdout.flush()
sys.stdin.read()
server.shutdown()
