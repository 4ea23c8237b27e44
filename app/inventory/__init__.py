"""Servers, their tags and their accepted host keys."""
