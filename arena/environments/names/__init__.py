"""Names and slogans for a product that is described."""
