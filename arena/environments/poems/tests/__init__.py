"""Rules of poems."""
