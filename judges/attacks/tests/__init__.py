"""Tests of the attack suite."""
