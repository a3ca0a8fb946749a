"""Families of problems from reasoning-gym, by name."""
