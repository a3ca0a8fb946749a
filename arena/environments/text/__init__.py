"""Words, rhymes and topics that several families share."""
