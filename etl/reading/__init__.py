"""Reading the source: the one room that knows extract and transform; sync and verify stand on it."""
