"""Reads about ratings: leaderboards, duels, and the effect of length."""
