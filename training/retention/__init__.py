"""What is deleted when, so that a disk does not fill up; and what takes room."""
