"""The part of OpenAI's API with which its clients talk to versions of agents: docs/openai-endpoint.md"""
