"""Tests of training.methods."""
