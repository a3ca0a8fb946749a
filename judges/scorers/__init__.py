"""Small scoring models in a process of their own, and the client that asks them."""
