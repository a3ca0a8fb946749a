"""Rules of the measurements."""
