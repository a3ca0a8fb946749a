"""Rules of the vLLM client and of the server that we start."""
