"""Honest answers in code to tasks of the Constraints Space."""
