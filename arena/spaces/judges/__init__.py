"""The judges that a Space has now, and what becomes of it without any."""
