"""Requests to addresses that somebody gave: never into the site's own network."""
