"""Rules of matches, from seating to settlement."""
