"""A local stand-in for the Talkdesk API: it behaves as documented, and misbehaves as told."""

from etl.sandbox.api import Sandbox, Seen
from etl.sandbox.named import NAMED as NAMED_FAULTS
from etl.sandbox.server import running, serve
from etl.sandbox.switchboard import Faults
from etl.sandbox.world import World

__all__ = ["NAMED_FAULTS", "Faults", "Sandbox", "Seen", "World", "running", "serve"]
