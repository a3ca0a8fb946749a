"""Rules of the live stream and its sockets."""
