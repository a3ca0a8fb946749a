"""`manage.py` commands of judges."""
