"""Adapters are their owner's: a version's weights as a folder to take home, and weights that are brought in."""
