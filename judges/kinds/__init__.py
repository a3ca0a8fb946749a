"""One file for each kind of judge."""
