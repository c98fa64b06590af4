"""Every error the data library raises, split into permanent and transient, each with its own exit code."""

from typing import ClassVar


class LakehouseError(Exception):
    """Base of all errors; the message says what failed, the value, and what to do next."""

    exit_code: ClassVar[int] = 70


class PermanentError(LakehouseError):
    """Doing it again gives the same error: never retried."""


class TransientError(LakehouseError):
    """The outside world may recover: retried with a bound."""

    exit_code: ClassVar[int] = 75


class NoDescriptionError(PermanentError):
    """A submission has no readable description file."""

    exit_code = 10


class EncodingError(PermanentError):
    """A text file is not UTF-8."""

    exit_code = 11


class BrokenReferenceError(PermanentError):
    """A foreign key names a row that does not exist."""

    exit_code = 12


class UnsafeArchiveError(PermanentError):
    """An archive or folder would write outside its own folder, or is larger than its limits."""

    exit_code = 13


class EmptyFileError(PermanentError):
    """A data file has no bytes."""

    exit_code = 14


class DuplicateSubmissionError(PermanentError):
    """The same content is already in the archive."""

    exit_code = 15


class UnknownSettingError(PermanentError):
    """A setting is misspelt, unknown or has no valid value."""

    exit_code = 16


class VersionTakenError(PermanentError):
    """The version label is already used by other content of the same dataset."""

    exit_code = 17


class RefusedError(PermanentError):
    """A submission was validated and found unfit."""

    exit_code = 18


class UnreadableSubmissionError(PermanentError):
    """A submission is not there, or is neither a folder nor a readable archive."""

    exit_code = 19


class AuditError(PermanentError):
    """Rows on the audit branch broke a promise of their table; nothing became visible."""

    exit_code = 20


class NoTableError(PermanentError):
    """A table, branch or snapshot does not exist."""

    exit_code = 21


class SchemaError(PermanentError):
    """Rows do not fit the table's schema."""

    exit_code = 22


class AncestryError(PermanentError):
    """A fast-forward would lose commits: the branch does not descend from main."""

    exit_code = 23


class NoObjectError(PermanentError):
    """An object key does not exist."""

    exit_code = 24


class ObjectExistsError(PermanentError):
    """A create-only write met an existing key."""

    exit_code = 25


class ChecksumError(PermanentError):
    """Stored bytes differ from what was recorded about them."""

    exit_code = 26


class UnfitModelError(PermanentError):
    """A model does not beat the baselines and must not be published."""

    exit_code = 27


class TableOwnerError(PermanentError):
    """A dataset would write into a table that belongs to another dataset."""

    exit_code = 28


class PurposeError(PermanentError):
    """Data may not be used for that purpose, or not by that user."""

    exit_code = 29


class QueryError(PermanentError):
    """A statement was refused or failed; the message comes from the SQL engine."""

    exit_code = 30


class LoginError(PermanentError):
    """A server refused the user name, password or token."""

    exit_code = 31


class NoReleaseError(PermanentError):
    """Nothing has been published yet."""

    exit_code = 32


class UnknownFormError(PermanentError):
    """Metadata are asked for in a form that there is not."""

    exit_code = 33


class OutputExistsError(PermanentError):
    """A folder to be written is there already; nothing is overwritten."""

    exit_code = 34


class NoVersionError(PermanentError):
    """What is named is neither a stored version of a dataset nor a folder."""

    exit_code = 35


class MirrorError(PermanentError):
    """A tracking server did not take the copy of a run; the run itself is not affected."""

    exit_code = 39


class RegistrationError(PermanentError):
    """A registry of identifiers refuses a DOI or its metadata."""

    exit_code = 36


class RulePackError(PermanentError):
    """A rule pack of a discipline is not there or at fault."""

    exit_code = 37


class UntraceableError(PermanentError):
    """No record, or more than one, has the name of what is to be explained."""

    exit_code = 38


class UnknownSubjectError(PermanentError):
    """No version of any dataset names this subject."""

    exit_code = 80


class AmbiguousSubjectError(PermanentError):
    """The value names subjects of several kinds."""

    exit_code = 81


class WithdrawnError(PermanentError):
    """What is asked for was removed by a withdrawal."""

    exit_code = 82


class ReceiptError(PermanentError):
    """A receipt is unreadable, altered or signed by somebody else."""

    exit_code = 83


class BusyError(TransientError):
    """Runs are active, a withdrawal is not finished, or another process starts the servers; wait for its end."""

    exit_code = 84


class CascadeError(PermanentError):
    """A withdrawal would have to remove rows about other people, which nobody has asked for."""

    exit_code = 85


class RetainedError(PermanentError):
    """Everything was removed but object versions that a lock of the storage keeps until a date."""

    exit_code = 86


class RetractedError(PermanentError):
    """Content that was removed as a whole is handed in again, or its version is asked for."""

    exit_code = 87


class AcceptanceError(PermanentError):
    """A finding cannot be accepted: it is not there, is not about personal data, or nobody answers for it."""

    exit_code = 90


class ProtectionError(PermanentError):
    """A plan to protect a dataset cannot be read or carried out."""

    exit_code = 91


class BrokenPromiseError(PermanentError):
    """Rows break a promise of their table for which nothing may be published."""

    exit_code = 92


class ExpectationFileError(PermanentError):
    """A file of expectations is not there, is at fault, or does not fit its table."""

    exit_code = 93


class StageError(PermanentError):
    """A model version cannot be made current, rolled back to or retired as asked."""

    exit_code = 95


class ClockError(PermanentError):
    """This machine's clock and the storage's are too far apart to tell what is old."""

    exit_code = 94


class ApprovalError(PermanentError):
    """An approval is not valid: nobody that is known agreed, or the candidate must not become current."""

    exit_code = 96


class NotReproducibleError(PermanentError):
    """What is recorded about a model version is not enough to make it again, or may not be used any more."""

    exit_code = 97


class NotReproducedError(PermanentError):
    """A model version was made again from its record, and something differs."""

    exit_code = 98


class PseudonymError(PermanentError):
    """Pseudonyms cannot be made: their key is lost or another one, or silver still has such values as submitted."""

    exit_code = 99


class ServiceUnavailableError(TransientError):
    """A server does not answer, or not in time."""

    exit_code = 50


class NoJavaError(PermanentError):
    """Spark is asked for, and there is no Java that runs it."""

    exit_code = 65


class NoSparkError(PermanentError):
    """Spark is asked for, and it or one of its jars is missing or not the one asked for."""

    exit_code = 66


class SparkError(PermanentError):
    """Spark could not do what it was asked; the message is its own."""

    exit_code = 67


class UnusablePlaceError(PermanentError):
    """A file or folder of the machine that runs a command cannot be read or written, or its disk is full."""

    exit_code = 71


class TooLargeError(PermanentError):
    """Rows take more memory than whoever reads them allows; no command asks for so few."""


class PortTakenError(PermanentError):
    """A server cannot have one of its ports on this machine; nothing was started."""

    exit_code = 72


class QueueFullError(TransientError):
    """Too many uploads wait to be fetched."""

    exit_code = 54


class CommitConflictError(TransientError):
    """Another writer was faster; the bounded retries ran out."""

    exit_code = 51
