"""Tests of requests to addresses that somebody gave."""
