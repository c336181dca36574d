"""Bringing the warehouse level with the source: the story, one account's run, all accounts, what came of it."""
