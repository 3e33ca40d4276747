"""People's working copies. Writes nothing into the hub but by a push."""
