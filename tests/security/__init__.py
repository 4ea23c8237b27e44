"""The named attack cases of the accounts: each test carries its case's name."""
