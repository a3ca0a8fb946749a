"""Pages of ratings, and their words."""
