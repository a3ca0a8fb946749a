"""Builders that the rooms of training share, and rules of what stands on its ground floor."""
