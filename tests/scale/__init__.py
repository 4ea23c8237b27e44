"""Lists stay fast however many rows there are."""
