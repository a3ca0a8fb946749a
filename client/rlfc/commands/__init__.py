"""The commands of `rlfc`, a file for each noun."""
