"""Plumbing without business: database, unit of work, tenancy, queue, errors, permissions. Imports no slice."""
