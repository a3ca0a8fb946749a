"""The API as programs use it."""
