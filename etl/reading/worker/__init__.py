"""Bodies of record pages into rows, here or in another process that spares this one half of its work."""
