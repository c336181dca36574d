"""A local stand-in for the Talkdesk API: it behaves as documented, and misbehaves as told."""

from etl.sandbox.api.app import Sandbox, Seen
from etl.sandbox.faults.names import NAMED as NAMED_FAULTS
from etl.sandbox.faults.switchboard import Faults
from etl.sandbox.server import running, serve
from etl.sandbox.world.world import World

__all__ = ["NAMED_FAULTS", "Faults", "Sandbox", "Seen", "World", "running", "serve"]
