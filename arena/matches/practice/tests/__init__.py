"""Rules of practice matches."""
