"""Rules of environments from packages."""
