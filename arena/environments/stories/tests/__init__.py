"""Rules of tiny stories."""
