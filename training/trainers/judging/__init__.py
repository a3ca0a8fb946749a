"""Trains judges: an adapter and a scalar head that put the better of two answers first."""
