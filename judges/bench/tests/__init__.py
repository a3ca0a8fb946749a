"""Rules of measuring judges on labelled pairs."""
