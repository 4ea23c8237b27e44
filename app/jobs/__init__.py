"""The engine room, generic: launches, runs, jobs, log lines, claim, lease, dispatch, log sink, log tail.

Nouns: a launch is what was asked once; a run is one supervised engine process; a job is one playbook on one
server (or one terraform execution). Knows no engine: job kinds register themselves in ``jobs.kinds``.
"""
