"""Rules of who judges a round, and of what their agreement does."""
