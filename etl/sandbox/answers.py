"""The bodies of the API: JSON that keeps every character, and refusals in the two documented shapes."""

import json
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from etl.sandbox.world.items import Item

CODES = {
    400: "invalid_parameter",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    406: "not_acceptable",
}
MESSAGES = {
    400: "The value of a query parameter is not valid",
    401: "The authorization header is missing or its token is not alive",
    403: "The authorization does not allow this",
    404: "There is no such resource",
    406: "None of the accepted media types is supported",
}


def json_answer(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The body as JSON in UTF-8; lone surrogates, which UTF-8 cannot hold, travel escaped."""
    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        text = json.dumps(body, separators=(",", ":")).encode()
    return Response(text, status_code=status, headers=headers, media_type="application/json")


class Refusal(Exception):
    """A request that the API refuses, with the body it documents for its resources."""

    def __init__(self, status: int, *, description: str | None = None, fields: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.description = description
        self.fields = fields or {}

    def answer(self) -> Response:
        """The documented error body; the vendor asks for the header when one complains."""
        body: Item = {"code": CODES[self.status], "message": MESSAGES[self.status]}
        if self.description is not None:
            body["description"] = self.description
        if self.fields:
            body["fields"] = [{"name": name, "description": text} for name, text in self.fields.items()]
        return json_answer(body, status=self.status, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        challenge = {"WWW-Authenticate": "Bearer"} if self.status == HTTPStatus.UNAUTHORIZED else {}
        return {"platform-tid": str(uuid.uuid4())} | challenge


class TokenRefusal(Refusal):
    """A token request that is refused, with the body of the identity service."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(status, description=description)
        self.error = error

    def answer(self) -> Response:
        """The error body of OAuth, which is another shape than the API's."""
        body = {"error": self.error, "error_description": self.description}
        return json_answer(body, status=self.status, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        challenge = {"WWW-Authenticate": 'Basic realm="sandbox"'} if self.status == HTTPStatus.UNAUTHORIZED else {}
        return {"platform-tid": str(uuid.uuid4()), "Cache-Control": "no-store"} | challenge


def target(request: Request) -> str:
    """Path and query as they were sent; what `request.url` makes of an escaped ? differs between versions."""
    path, query = request.scope["raw_path"].decode("ascii"), request.scope["query_string"].decode("ascii")
    return f"{path}?{query}" if query else path
