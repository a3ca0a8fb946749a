"""Rules of ranking by several judges."""
