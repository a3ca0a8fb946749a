"""Rules of attacks on panels."""
