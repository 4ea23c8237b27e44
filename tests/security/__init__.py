"""The named attack cases of the accounts: each test carries its case's name; ``cases.py`` says which holds which."""
