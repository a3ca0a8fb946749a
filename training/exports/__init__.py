"""Datasets that people take home: which pairs they choose, and how many those are."""
