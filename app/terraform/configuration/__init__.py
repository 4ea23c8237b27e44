"""Terraform configurations as data: read from files before any init, without a database, in a process of their own."""
