"""Rules of settings, health, mail, and of the walls between rooms."""
