"""Tests of single kinds of judges."""
