"""Words, rhymes and topics shared by several families."""
