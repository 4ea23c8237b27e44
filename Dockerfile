# One image for web, worker, keeper and the one-shot services; docker-compose.yml says which it is.
FROM python:3.11-slim-bookworm

# ssh is how Ansible reaches servers, the database's client is for `flask ops backup`. Versions are the base image's business.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends mariadb-client openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /home/millwright --create-home millwright \
    && install --directory --owner=millwright --group=millwright --mode=0700 /data \
    && install --directory --owner=millwright --group=millwright --mode=0755 \
        /secrets/app /secrets/migrate /secrets/mysql /secrets/redis

WORKDIR /opt/millwright
COPY requirements.txt ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

COPY wsgi.py celery_worker.py config.py ./
COPY deploy deploy
COPY migrations migrations
COPY playbooks playbooks
COPY app app
RUN python -m compileall -q app migrations config.py wsgi.py celery_worker.py

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FLASK_APP=wsgi \
    MILLWRIGHT_DATA_DIR=/data
USER 10001:10001
EXPOSE 8000
CMD ["gunicorn", "-c", "deploy/gunicorn.conf.py", "wsgi:app"]
