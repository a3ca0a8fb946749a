"""Builders shared by several rooms, and the rules of the arena's base modules."""
