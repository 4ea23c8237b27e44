"""Terraform: projects, their workspaces and states, and what is executed on them."""
