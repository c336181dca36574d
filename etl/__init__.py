"""Copies what the Talkdesk API shows only now, and only for 20 days, into Postgres, and keeps its history.

Read in this order: pipeline, extractor, transformer, loader; the rest when needed.
"""

__version__ = "0.1.0"
