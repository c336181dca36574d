"""What the world is made of."""

from typing import Any

Item = dict[str, Any]
