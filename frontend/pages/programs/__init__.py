"""Pages for people whose programs act for them."""
