"""Rules of judges, panels and scorers."""
