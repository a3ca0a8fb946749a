"""Matches that try an agent: free, and without consequences."""
