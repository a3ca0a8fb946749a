"""Commands that manage.py gains from this room."""
