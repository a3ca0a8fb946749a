"""Rules of gold and calibration."""
