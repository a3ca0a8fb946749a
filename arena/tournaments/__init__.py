"""Tournaments: who may register, when they start, who meets whom, and who gets what at the end."""
