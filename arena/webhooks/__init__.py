"""Tells people's own servers of events: what is to be sent is stored with the event, then sent."""
