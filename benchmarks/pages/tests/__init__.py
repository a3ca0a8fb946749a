"""The benchmark's history."""
