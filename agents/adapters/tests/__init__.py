"""Rules of the adapter store."""
