"""Tiny stories about a given topic, with something that must be in them."""
