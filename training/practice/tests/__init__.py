"""Rules of practice and rehearsal."""
