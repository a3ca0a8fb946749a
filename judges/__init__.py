"""Judges: what they see, how they vote, and how a panel combines their votes."""
