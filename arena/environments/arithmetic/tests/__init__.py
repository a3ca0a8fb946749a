"""Rules of arithmetic tasks."""
