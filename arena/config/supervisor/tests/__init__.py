"""Rules of the supervisor and its parts, on real processes."""
