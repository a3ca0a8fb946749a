"""Rules of retention: what goes, what stays, and what happens at once."""
