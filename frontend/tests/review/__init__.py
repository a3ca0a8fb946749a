"""Tests of appeals and of the audience."""
