"""Rules of names and slogans."""
