"""The GPUs of this machine: which one to use, and how its memory is shared."""
