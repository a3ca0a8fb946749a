"""Rules of judges that learn."""
