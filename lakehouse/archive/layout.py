"""What the files, folders and reserved columns of a dataset are called."""

DESCRIPTION_FILE = "dataset.yaml"
TABLES_FOLDER, DICTIONARY_FILE = "tables", "columns.yaml"
TEXTS_FOLDER, COLLECTION_FILE = "texts", "collection.yaml"
EVENTS_FOLDER, LOG_FILE = "events", "log.yaml"
RESERVED_COLUMNS = frozenset({"dataset_version", "dataset_commit"})
# Files with rows of a table, plain or packed.
TABLE_ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl")
