"""Tests of the servers of judges."""
