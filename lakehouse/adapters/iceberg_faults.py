"""What the errors of PyIceberg, Arrow, the HTTP client and SQL databases mean here."""

from collections.abc import Mapping

from pyiceberg import exceptions as vendor
from sqlalchemy.exc import DBAPIError, OperationalError

from lakehouse.errors import (
    CommitConflictError,
    LakehouseError,
    LoginError,
    NoTableError,
    PermanentError,
    SchemaError,
    ServiceUnavailableError,
)

# Looked up along the error's own classes, so the nearest entry wins. Arrow's S3 client and the HTTP client (requests)
# report the network as OSError.
TRANSLATIONS: Mapping[type[Exception], tuple[type[LakehouseError], str]] = {
    vendor.NoSuchTableError: (NoTableError, "no such table; load a dataset that fills it first"),
    vendor.NoSuchNamespaceError: (NoTableError, "no such namespace; load a dataset that fills it first"),
    vendor.CommitFailedException: (CommitConflictError, "other writers kept changing it; run the step again"),
    vendor.CommitStateUnknownException: (CommitConflictError, "the commit's outcome is unknown; run the step again"),
    vendor.UnauthorizedError: (LoginError, "the access key was refused; check key and secret"),
    vendor.ForbiddenError: (LoginError, "the access key was refused; check key and secret"),
    vendor.OAuthError: (LoginError, "the access key was refused; check key and secret"),
    vendor.ServiceUnavailableError: (ServiceUnavailableError, "the catalog is not ready; try again"),
    vendor.ServerError: (ServiceUnavailableError, "the catalog failed; try again"),
    vendor.TooManyRequestsError: (ServiceUnavailableError, "the catalog is busy; try again"),
    vendor.RESTError: (PermanentError, "the catalog refused the request; check the name and the server's log"),
    vendor.ValidationError: (SchemaError, "the schema does not fit"),
    OperationalError: (ServiceUnavailableError, "the catalog's database is busy or gone; try again"),
    DBAPIError: (PermanentError, "the catalog's database refused; check the user's rights and the database's log"),
    FileNotFoundError: (PermanentError, "one of its files is gone; restore it from a backup"),
    OSError: (ServiceUnavailableError, "the server does not answer; start it and try again"),
}
