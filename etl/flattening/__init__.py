"""Bodies of record pages into rows, here or in a other process that spares this one half of its work."""
