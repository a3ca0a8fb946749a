"""Builders that several rooms share, and rules of what stands on the arena's ground floor."""
