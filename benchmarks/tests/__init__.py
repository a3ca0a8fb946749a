"""Rules that a measurement holds, too."""
