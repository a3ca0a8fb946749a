"""Tests of the rules of games."""
