"""Rules of debates."""
