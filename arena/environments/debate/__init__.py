"""Debates about a motion, for judges to decide."""
