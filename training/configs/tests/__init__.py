"""Rules of training settings."""
