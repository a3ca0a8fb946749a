"""Rules of adapters that are taken home and brought in."""
