"""Builders shared by the rooms of training, and the rules of its base modules."""
