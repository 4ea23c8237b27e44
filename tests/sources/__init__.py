"""Files of projects."""
