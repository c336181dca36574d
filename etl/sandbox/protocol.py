"""HTTP as uvicorn speaks it, with the transport within reach of the faults."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class OpenProtocol(H11Protocol):
    """HTTP as uvicorn speaks it; the connection's transport stands in the scope's state."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection is served; this copy of the state is its own."""
        super().connection_made(transport)
        self.app_state = self.app_state | {"transport": transport}
