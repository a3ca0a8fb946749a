"""Reads about judges: everything about them is public but the gold that is in use."""
