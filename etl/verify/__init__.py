"""Holding the warehouse against the source without writing, and telling damage from what merely moved on.

verification: what was found · accounts: the story · session: read-only transactions · versioned, records: the SQL
"""

from etl.verify.story import verify_accounts
from etl.verify.verification import Difference, Verification

__all__ = ["Difference", "Verification", "verify_accounts"]
