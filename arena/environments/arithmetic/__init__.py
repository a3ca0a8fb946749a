"""Sums and word problems with one right number."""
