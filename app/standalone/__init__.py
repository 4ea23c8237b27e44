"""Everything on one machine: what ``make run`` and ``make demo`` start.

A data folder (``var/`` in the clone) holds the SQLite database, the broker's files and the generated keys. One
process looks after the others: broker, web, worker, keeper. What the environment sets (``MILLWRIGHT_*``) wins
over what is made here. ``app.standalone.platform.start()`` is the context manager that does all of it.
"""
