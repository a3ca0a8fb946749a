"""Rules of entering, matchmaking and ratings."""
