"""Superset's configuration: no default keys, nothing loaded from elsewhere, and every secret from the environment.

Superset reads it through ``SUPERSET_CONFIG_PATH``. ``docs/flow/dashboards.md`` lists the variables.
"""

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy.engine.url import URL, make_url

sys.path.append(str(Path(__file__).parent))  # Superset loads this file by its path, whatever its own path holds
from given import given

if TYPE_CHECKING:
    from flask import Flask

PLACEHOLDER_HOST = "sql-engine.invalid"
PASSWORD_ENDPOINTS = ("/login/", "/api/v1/security/login")
FORBIDDEN_KEYS = {"", "CHANGE_ME_SECRET_KEY", "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET", "thisISaSECRET_1234"}
MIN_KEY_LENGTH = 32


def _needed(name: str) -> str:
    value = given(name)
    if not value:
        raise RuntimeError(f"{name} is not set; start Superset through `lakehouse up`, or set it as the docs list")
    return value


def _secret_key() -> str:
    key = _needed("SUPERSET_SECRET_KEY")
    if key in FORBIDDEN_KEYS or len(key) < MIN_KEY_LENGTH:
        raise RuntimeError(
            f"SUPERSET_SECRET_KEY is a known or short key; give {MIN_KEY_LENGTH} random characters or more"
        )
    return key


def _metadata_uri() -> str:
    """Return the address of the metadata database; its password may stand in a file instead."""
    uri = os.environ.get("SUPERSET_METADATA_URI", "")
    if not uri:
        return f"sqlite:///{STATE / 'superset.db'}"
    if password := given("SUPERSET_METADATA_PASSWORD"):
        return make_url(uri).set(password=password).render_as_string(hide_password=False)
    return uri


# --- keys and state ---------------------------------------------------------------------------------------------------
SECRET_KEY = _secret_key()
# Embedding is off, so nobody needs to know this key; the shipped one is public.
GUEST_TOKEN_JWT_SECRET = secrets.token_urlsafe(32)
STATE = Path(_needed("SUPERSET_HOME"))
SQLALCHEMY_DATABASE_URI = _metadata_uri()
if SQLALCHEMY_DATABASE_URI.startswith("sqlite"):
    # Charts load in parallel and each writes a log line: wait for the lock instead of failing.
    SQLALCHEMY_ENGINE_OPTIONS = {"connect_args": {"timeout": 30}}

# --- what is off ------------------------------------------------------------------------------------------------------
AUTH_USER_REGISTRATION = False
FAB_API_SWAGGER_UI = False
ENABLE_CORS = False
DATASET_IMPORT_ALLOWED_DATA_URLS: list[str] = []
ENABLE_UI_THEME_ADMINISTRATION = False
THEME_FONT_URL_ALLOWED_DOMAINS: list[str] = []
FEATURE_FLAGS = {
    "EMBEDDABLE_CHARTS": False,
    "EMBEDDED_SUPERSET": False,
    "ESCAPE_MARKDOWN_HTML": True,
    "ENABLE_TEMPLATE_PROCESSING": False,
    "DATAPANEL_CLOSED_BY_DEFAULT": True,
    "FILTERBAR_CLOSED_BY_DEFAULT": False,
}
MAPBOX_API_KEY = ""

# --- the browser ------------------------------------------------------------------------------------------------------
HTTPS = os.environ.get("SUPERSET_HTTPS", "") == "1"
ENABLE_PROXY_FIX = HTTPS
WTF_CSRF_ENABLED = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = HTTPS
# Two Superset servers on one host must not end each other's sessions: cookies know no ports.
SESSION_COOKIE_NAME = "lakehouse_session"
TALISMAN_ENABLED = True
# 'self' also stops the telemetry pixel that the wheel carries. Ant Design writes its styles inline.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "default-src": ["'self'"],
        "base-uri": ["'self'"],
        "frame-ancestors": ["'none'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": HTTPS,
}

# --- guessing passwords -----------------------------------------------------------------------------------------------
RATELIMIT_ENABLED = True
# A dashboard asks for all its charts at once: only the password endpoints are limited.
RATELIMIT_APPLICATION = "500 per second"
RATELIMIT_STORAGE_URI = "memory://"
AUTH_RATE_LIMITED = False
PASSWORD_RATE_LIMIT = "10 per minute"  # noqa: S105 - a rate, not a password


def FLASK_APP_MUTATOR(app: "Flask") -> None:
    """Limit every route that takes a password; the limit shipped with 6.1 sits on a view that only answers GET."""
    limit = app.appbuilder.sm.limiter.limit(PASSWORD_RATE_LIMIT, methods=["POST"])
    found = set()
    for rule in app.url_map.iter_rules():
        if str(rule) in PASSWORD_ENDPOINTS and "POST" in (rule.methods or ()):
            found.add(str(rule))
            app.view_functions[rule.endpoint] = limit(app.view_functions[rule.endpoint])
    if missing := set(PASSWORD_ENDPOINTS) - found:
        raise RuntimeError(
            f"no password endpoint at {sorted(missing)}; Superset moved it, so correct PASSWORD_ENDPOINTS"
        )


# --- the SQL engine ---------------------------------------------------------------------------------------------------
def sql_engine_url() -> URL:
    """Return the address of the SQL engine from the environment, as the Dremio dialect wants it."""
    uri = urlsplit(_needed("SUPERSET_SQL_URI"))
    if uri.scheme not in {"grpc", "grpc+tls"} or not uri.hostname or not uri.port:
        raise RuntimeError(f"SUPERSET_SQL_URI is {uri.geturl()!r}; write grpc://host:port or grpc+tls://host:port")
    user, password = _needed("SUPERSET_SQL_USER"), _needed("SUPERSET_SQL_PASSWORD")
    if ";" in user + password:
        raise RuntimeError("the SQL engine's user or password holds a ';', which the Dremio dialect cannot carry")
    encrypted = uri.scheme == "grpc+tls"
    query = {"UseEncryption": str(encrypted).lower()}
    if encrypted and (certificates := os.environ.get("SUPERSET_SQL_CERTIFICATES", "")):
        query["TrustedCerts"] = certificates
    return URL.create("dremio+flight", user, password, uri.hostname, uri.port, query=query)


def DB_CONNECTION_MUTATOR(
    uri: URL, params: dict[str, Any], username: str | None, security_manager: object, source: object
) -> tuple[URL, dict[str, Any]]:
    """Put the real address and credential in place of the placeholder, so that the metadata holds neither."""
    del username, security_manager, source
    return (sql_engine_url() if uri.host == PLACEHOLDER_HOST else uri), params


# --- looks ------------------------------------------------------------------------------------------------------------
APP_NAME = "Education lakehouse"
THEME_DARK = None
ROW_LIMIT = 10000
SQL_MAX_ROW = 100000
SQLLAB_TIMEOUT = 60
SUPERSET_WEBSERVER_TIMEOUT = 60
# Paul Tol's bright scheme, readable with colour blindness; red is last and kept for what is bad.
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "lakehouse",
        "description": "Colour-blind safe; red only for bad",
        "label": "Education lakehouse",
        "isDefault": True,
        "colors": ["#4477AA", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#BBBBBB", "#EE6677"],
    }
]
EXTRA_SEQUENTIAL_COLOR_SCHEMES = [
    {
        "id": "lakehouse_heat",
        "description": "Pale blue below the middle, red above it",
        "label": "Education lakehouse, bad above the middle",
        "isDiverging": True,
        "isDefault": False,
        "colors": ["#F3F6FA", "#C9D9EA", "#F6C5CC", "#EE6677"],
    }
]
