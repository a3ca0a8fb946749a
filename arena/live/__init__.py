"""What spectators get while a match is played: the stream through Valkey and the sockets."""
