"""Rules of panels and of the servers that judges ask."""
