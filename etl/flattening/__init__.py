"""Bodies of record pages into rows, here or in a process beside us that spares this one half of its work."""
