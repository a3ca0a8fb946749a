"""Rules of gold."""
