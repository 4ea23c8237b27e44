"""gunicorn for the web process: ``gunicorn -c deploy/gunicorn.conf.py wsgi:app``.

Threads, because every live log holds one; they are made when they are needed (docs/adr/0024-threads-for-viewers.md).
MILLWRIGHT_MAX_STREAM_VIEWERS (224) must stay below ``threads``, or viewers alone could starve plain pages.
WEB_CONCURRENCY sets the number of processes, as gunicorn defines it, WEB_THREADS the threads of each.
"""

from __future__ import annotations

import os

bind = os.environ.get("WEB_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "256"))
timeout = 60  # a process whose main loop is silent this long is replaced; streams do not count
graceful_timeout = 5  # open streams are resumable by line number, so a restart need not wait for them
keepalive = 5
max_requests = 20_000  # a slow leak never grows old
max_requests_jitter = 2_000
limit_request_line = 8190
limit_request_fields = 100
forwarded_allow_ips = ""  # X-Forwarded-* is believed by MILLWRIGHT_PROXY_HOPS alone
control_socket_disable = True
accesslog = None
errorlog = "-"
