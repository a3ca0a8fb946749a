"""Attacks on judges and panels: single trials, the suite's figures, and a sample in production."""
