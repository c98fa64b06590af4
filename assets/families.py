"""The kinds of models that are tuned from a base: where what they showed is published, and what they learned from."""

from dataclasses import dataclass

from lakehouse.definition import TableDefinition
from lakehouse.tables.classifiers import CLASSIFIER_RESULTS, CLASSIFIER_VERSIONS
from lakehouse.tables.instructed import INSTRUCTED_RESULTS, INSTRUCTED_VERSIONS
from models.classifiers import INSTRUCTED as INSTRUCTED_NAME


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of tuned models: its word, its tables of judgements and of results, and its record's hash of texts."""

    word: str
    versions: TableDefinition
    results: TableDefinition
    texts_key: str


CLASSIFIER = Family("classifier", CLASSIFIER_VERSIONS, CLASSIFIER_RESULTS, "texts_sha256")
INSTRUCTED = Family("model that answers", INSTRUCTED_VERSIONS, INSTRUCTED_RESULTS, "rows_sha256")
FAMILIES = (CLASSIFIER, INSTRUCTED)


def name_of(version: str) -> str:
    """Return what a version is a version of: topics-0001 of topics."""
    return version.rpartition("-")[0]


def family_of(name: str) -> Family:
    """Return the family of a name, as `topics` or `instructed`."""
    return INSTRUCTED if name == INSTRUCTED_NAME else CLASSIFIER
