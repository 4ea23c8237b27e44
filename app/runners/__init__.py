"""Engines: supervised processes that run Ansible and Terraform. No database, no Flask, no Celery."""
