"""The web process: ``gunicorn wsgi:app``. The ``flask`` commands load it too."""

import os
import sys

from app import create_app
from app.cli import serves
from app.core.log_config import configure_logging

app = create_app(faces=serves(sys.argv, os.environ))
configure_logging(app.config["MILLWRIGHT_SETTINGS"])
