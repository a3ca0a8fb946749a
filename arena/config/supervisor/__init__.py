"""What `manage.py up` starts and supervises: each local part, its probes and its restarts."""
