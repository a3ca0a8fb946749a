"""Reads of what becomes of verdicts: appeals, and the audience's votes."""
