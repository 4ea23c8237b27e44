"""Tenants, users, memberships, sessions, API keys, sign-in: who may come in, and as whom."""
