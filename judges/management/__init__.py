"""Commands of judges."""
