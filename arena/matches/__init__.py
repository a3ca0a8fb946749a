"""A match from its seating to its settlement: events, play, judging, prizes paid, ratings updated."""
