"""What spectators get during a match: the stream through Valkey and the sockets."""
