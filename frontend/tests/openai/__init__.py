"""Tests of the endpoint for OpenAI clients."""
