"""The arena on the command line."""
