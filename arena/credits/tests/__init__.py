"""Rules of the ledger and of prizes."""
