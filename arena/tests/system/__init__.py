"""The whole product at work: deaths, scoring and the demo, with the real vLLM."""
