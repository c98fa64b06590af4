"""Every error the model library raises, each with its own exit code: 40 to 49, 52, 53, 55 to 59, 68 and 69."""

from typing import ClassVar


class ModelError(Exception):
    """Base of all errors; the message says what failed, the value, and what to do next."""

    exit_code: ClassVar[int] = 40


class NoDocumentsError(ModelError):
    """There is too little text to learn from or to measure on."""

    exit_code = 41


class CheckpointError(ModelError):
    """A checkpoint is missing, cut short, altered, of another shape, or not what its name says."""

    exit_code = 42


class NaNLossError(ModelError):
    """The loss or a gradient is not a finite number; the last good state of the run stays."""

    exit_code = 43


class ChildCrashedError(ModelError):
    """The child process ended without a result: killed by a signal, out of memory, or a fault in native code."""

    exit_code = 44


class RecipeError(ModelError):
    """A recipe has an unknown field or a value that cannot work."""

    exit_code = 45


class DocumentsError(ModelError):
    """The documents table lacks a column, repeats an id, or holds text that is not valid Unicode."""

    exit_code = 46


class ComparisonError(ModelError):
    """Two evaluations were made on different held-out documents and cannot be compared."""

    exit_code = 47


class StoppedError(ModelError):
    """Training or evaluation was asked to stop before it was done."""

    exit_code = 48


class RequestError(ModelError):
    """A request file cannot be read, or lacks a field."""

    exit_code = 49


class TooLargeError(ModelError):
    """A recipe needs more memory than there is; said before training, with the nearest one that fits."""

    exit_code = 52


class TrialError(ModelError):
    """A test of the model that stops training fails, or the file of tests cannot be read."""

    exit_code = 53


class FormError(ModelError):
    """A smaller form of a model cannot be made, read or run, or no form has this name."""

    exit_code = 55


class FormRefusedError(ModelError):
    """A smaller form of a model loses more, or weighs more, than models/forms.yaml allows; it was kept and recorded."""

    exit_code = 56


class LabelsError(ModelError):
    """Labelled texts cannot be read, learned from or measured on: a bad row, one label only, a label never learned."""

    exit_code = 58


class NothingLearnedError(ModelError):
    """A fine-tuned classifier is no better than always naming the commonest label; nothing was written."""

    exit_code = 59


class NoRoomError(ModelError):
    """The disk has no room for what a run would keep; what was there before stays, and nothing of the new is left."""

    exit_code = 68


class HubError(ModelError):
    """A checkpoint of the hub cannot be had: no answer, no such thing, gated, pickled, too large, or other bytes."""

    exit_code = 69


class KnownTestsError(ModelError):
    """A published test, or the folder that should hold them, is missing, cut short or of another form."""

    exit_code = 57


BY_NAME: dict[str, type[ModelError]] = {
    kind.__name__: kind
    for kind in (
        ModelError,
        NoDocumentsError,
        CheckpointError,
        NaNLossError,
        ChildCrashedError,
        RecipeError,
        DocumentsError,
        ComparisonError,
        StoppedError,
        RequestError,
        TooLargeError,
        TrialError,
        FormError,
        FormRefusedError,
        LabelsError,
        NothingLearnedError,
        KnownTestsError,
        NoRoomError,
        HubError,
    )
}
