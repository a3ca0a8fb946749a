"""Tests of what `manage.py chaos` is made of."""
