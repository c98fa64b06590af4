"""The faults a statement can meet, named by the error types that Dremio reports over Flight."""

from typing import TYPE_CHECKING, ClassVar

from lakehouse.errors import LoginError, PurposeError, QueryError, ServiceUnavailableError

if TYPE_CHECKING:  # the engine processes need the faults, and start faster without the policy
    from lakehouse.policy.decisions import Decision


class RefusedStatementError(QueryError):
    """The statement does not parse, names something unknown, or uses what is not supported."""

    kind: ClassVar[str] = "VALIDATION"


class FailedStatementError(QueryError):
    """The statement was accepted and failed on the data: a bad cast, a division by zero."""

    kind: ClassVar[str] = "VALIDATION"


class BrokenEngineError(QueryError):
    """The engine failed in a way that says nothing about the statement."""

    kind: ClassVar[str] = "INTERNAL"


class CancelledStatementError(QueryError):
    """The client went away or asked to stop."""

    kind: ClassVar[str] = "CANCELLED"


class DeadlineError(QueryError):
    """The statement ran longer than it may."""

    kind: ClassVar[str] = "RESOURCE_TIMEOUT"


class TooLargeError(QueryError):
    """The result has more rows or bytes than a statement may return."""

    kind: ClassVar[str] = "RESOURCE"


class BusyError(ServiceUnavailableError):
    """All slots stayed taken, memory ran out, or the table files cannot be read now."""

    kind: ClassVar[str] = "RESOURCE"


class DamagedTableError(BusyError):
    """A file of a table is not what was written. The table is refused until the file is restored; others go on."""

    def __init__(self, table: str, path: str, how: str) -> None:
        super().__init__(f"table {table} is damaged and is not read; the server's log names the file to restore")
        self.path = path
        self.how = how


class UnauthenticatedError(LoginError):
    """No valid user name and password, token or session came with the call.

    `logged` is what a log may say of it: nothing that a client sent but the name of a user there is.
    """

    kind: ClassVar[str] = "UNAUTHENTICATED"

    def __init__(self, message: str, *, logged: str = "") -> None:
        super().__init__(message)
        self.logged = logged or message


class DeniedStatementError(PurposeError):
    """The statement names data that its user may not use for its purpose, as the decision says."""

    kind: ClassVar[str] = "PERMISSION"

    def __init__(self, decision: "Decision") -> None:
        super().__init__(f"PERMISSION ERROR: {decision.message}")
        self.decision = decision


class NotOfferedError(QueryError):
    """A call of the protocol that this server, like Dremio, does not offer."""

    kind: ClassVar[str] = "UNIMPLEMENTED"
