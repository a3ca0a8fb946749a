"""Rules of the gate."""
