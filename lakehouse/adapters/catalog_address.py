"""What the address of a catalog may be, where it leads, and how much of it may be shown."""

import re
from urllib.parse import parse_qsl, urlsplit

REST = ("http", "https")
DATABASE = ("postgresql", "postgres")
SHAPES = "write http(s)://host:port/path for a REST catalog, or postgresql://user@host:port/database"

# A password with a / or ? in it is none to urlsplit, but it is to SQLAlchemy, and either would be shown.
PASSWORD_BEFORE_HOST = re.compile(r"[^/]*//[^/?#@]*:[^@]*@")


def holds_password(uri: str) -> bool:
    """Say whether an address names a password, before the host or as an option, whatever its scheme."""
    if PASSWORD_BEFORE_HOST.match(uri):
        return True
    options = parse_qsl(uri.partition("?")[2], keep_blank_values=True)
    if any("password" in name.casefold() for name, _ in options):
        return True
    try:
        return urlsplit(uri).password is not None
    except ValueError:  # no address at all, which `misfit` says
        return False


def misfit(uri: str) -> str:
    """Return why a catalog's address cannot be used and what to write, quoting no secret; nothing when it can."""
    scheme = _scheme(uri)
    if scheme not in (*REST, *DATABASE):
        return f"has the scheme {scheme!r}, which no catalog here has; {SHAPES}" if scheme else f"has none; {SHAPES}"
    try:
        parts = urlsplit(uri)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # its words would quote what stands there, which may be half a password
        usable = False
    if not usable:
        return f"names no host, or a port that is no number; {SHAPES}"
    if scheme in REST and ("?" in uri or "#" in uri):
        return "has options after ? or #, which a REST catalog's address cannot have; leave them out"
    return ""


def is_database(uri: str) -> bool:
    """Say whether the catalog at an address is a database's and no REST server's."""
    return _scheme(uri) in DATABASE


def shown(uri: str) -> str:
    """Return an address for messages: without its options, and only its scheme when it holds a password."""
    return f"{_scheme(uri)}://..." if holds_password(uri) else re.split("[?#]", uri, maxsplit=1)[0]


def _scheme(uri: str) -> str:
    scheme, found, _ = uri.partition("://")
    return scheme.lower() if found and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) else ""
