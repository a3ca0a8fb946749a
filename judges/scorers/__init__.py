"""Small scoring models that run in their own process, and their client."""
