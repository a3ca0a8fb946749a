"""The users of `manage.py demo`, and the report on what they did."""
