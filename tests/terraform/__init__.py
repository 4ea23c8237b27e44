"""Terraform projects and states."""
