"""Bringing the warehouse level with the source: the story, one account's run, all accounts, what came of it.

Of many accounts `turns` says whose turn it is, and `stopping` ends one whose time is over.
"""
