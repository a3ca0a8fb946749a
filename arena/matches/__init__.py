"""A match from seating to settlement: events, play, judging, prizes and ratings."""
