"""Playbook projects and their content-addressed files, playbooks, approval, launching, the ansible job kind."""
