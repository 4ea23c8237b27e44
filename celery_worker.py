"""The worker process: ``celery -A celery_worker worker --queues runs``."""

import importlib

from app import create_app
from app.core.log_config import configure_logging
from app.core.queue import celery_app
from app.core.schema_version import require_current_schema
from app.wiring import TASK_MODULES

flask_app = create_app(faces=False)
configure_logging(flask_app.config["MILLWRIGHT_SETTINGS"])
with flask_app.app_context():
    require_current_schema()  # a worker behind or ahead of its database refuses to start
celery_app.flask_app = flask_app
for name in TASK_MODULES:
    importlib.import_module(name)
celery = celery_app
