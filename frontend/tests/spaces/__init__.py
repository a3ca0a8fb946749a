"""Tests of the pages of Spaces."""
