"""The web application that gunicorn runs."""

import numpy_names  # noqa: F401 - must come before Superset

# isort: split
from superset.app import create_app

app = create_app()
