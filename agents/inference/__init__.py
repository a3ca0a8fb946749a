"""Everything between us and vLLM: the client, what replies say, retries, and how we start the server."""
