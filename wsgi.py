"""The web process: ``gunicorn wsgi:app``."""

from app import create_app
from app.core.log_config import configure_logging

app = create_app()
configure_logging(app.config["MILLWRIGHT_SETTINGS"])
