"""Measurements, each against a named peer or control; `make bench` runs them."""
