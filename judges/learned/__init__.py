"""Judges that learn: their versions, and which one votes."""
