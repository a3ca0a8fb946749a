"""Rules of pages and forms."""
