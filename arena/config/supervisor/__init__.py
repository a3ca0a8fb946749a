"""What `manage.py up` starts and watches: each local part, its probes and its restarts."""
