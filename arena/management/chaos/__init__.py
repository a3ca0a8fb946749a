"""What `manage.py chaos` is made of: people, a scripted model, a killer, and what must still be true."""
