"""Rules of the learning benchmark's table."""
