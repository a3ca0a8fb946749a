"""Measurements, each beside a named peer or control; `make bench` runs them."""
