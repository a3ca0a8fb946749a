"""The formats of tournaments: from what was played to what is next and who stands where. Pure."""
