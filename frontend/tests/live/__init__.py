"""Tests of what pages of live matches share, and of the web server itself."""
