"""Money as integers: the ledger, wallets, statements, and how prizes share a pot."""
