"""Everything between us and vLLM: the client, its replies, retries, and starting the server."""
