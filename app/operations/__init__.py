"""Operating an installation: backup, restore, upgrade. Stands above every slice; only the command line imports it."""
