"""The real engine under a deterministic scheduler: simulated time, seeded faults at every statement, a judge.

``python -m simulation --histories N --seed S`` plays N short histories in the manner of TigerBeetle's simulator and
writes build/simulation.json; ``--replay SEED`` prints one of them step by step; ``--without NAME`` takes one mechanism
away, which has to be found. Claim, begin, lease, ship, finish, cancel, sweep and both watchdogs are the product's own
code on a real SQLite database (WAL, one connection an actor). Simulated are the edges only: time, processes and their
deaths, the engine that writes the spool, the doorbell, and whether a statement or a COMMIT arrives.
"""
