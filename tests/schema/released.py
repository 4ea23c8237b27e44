"""SHA-256 of each migration that was released: such a file is never edited. A release adds its lines."""

from __future__ import annotations

RELEASED: dict[str, str] = {
    "0001_accounts.py": "4413b5b78dc70e5d0de6c538aace74d1c3a9c765f9b7d8ec822382ff563c6a01",
    "0002_audit.py": "3950135dca25b9f3df77806a3e5763e3ee7f5f2eaee274944f6c1d17041e6232",
    "0003_inventory.py": "95dcb550f4676755974e1461865009fb989d723b2a6655797e5a7bf3a8e389ea",
    "0004_playbooks.py": "42ba7ff25572eb095e54828babe76fe29a22cacc0b8388e31f6619515a968e7f",
    "0005_jobs.py": "87da528f076eb670483a0968a0a83998d56d60f7c626026641fbd182109e37b8",
    "0006_logs.py": "99c4050b96cc6b0de0d242d4055297c242b6640f8a4e6fab116be308d1df308a",
    "0007_tickets.py": "b1bbedf20335f4096b2146350557bc2b90a5729d52630d9feb88a599add570bb",
}
