"""The HTTP side of the stand-in: the documented addresses, answers and refusals."""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from etl.sandbox.answers import Refusal, json_answer, target
from etl.sandbox.api.errors_file import errors_file
from etl.sandbox.api.listing import PageSize, hal_page, linked, self_linked
from etl.sandbox.api.tokens import Tokens
from etl.sandbox.faults.switchboard import Faults
from etl.sandbox.world.moves import BulkImport
from etl.sandbox.world.world import World

TOKEN_PATH = "/oauth/token"  # noqa: S105 - an address, no secret
IMPORTS_PATH = "/bulk-imports/users"
FIELDS_PATH = "/cm/meta/va/fields"
USERS_PATH = "/users"
MEDIA_TYPES = {"*/*", "application/*", "application/json", "application/hal+json"}
FILE_TYPES = {"*/*", "text/*", "text/csv"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REMEMBERED_REQUESTS = 100_000

Endpoint = Callable[[Request], Awaitable[Response]]


class Seen(NamedTuple):
    """One request as it arrived, whatever became of it; `at` is time.monotonic()."""

    method: str
    target: str
    had_token: bool
    at: float


@dataclass(eq=False, kw_only=True)
class Sandbox:
    """One stand-in: what it knows, how it misbehaves, what was asked of it, and where it listens."""

    world: World
    tokens: Tokens
    faults: Faults = field(default_factory=Faults)
    page_size: PageSize = field(default_factory=PageSize)
    prefix: str = ""
    has_records_link: bool = True
    origin: str = ""
    requests: deque[Seen] = field(default_factory=lambda: deque(maxlen=REMEMBERED_REQUESTS))

    @property
    def url(self) -> str:
        """The API URL, with the path prefix of its gateway if it stands behind one."""
        return self.origin + self.prefix

    @property
    def token_url(self) -> str:
        """The address that gives tokens."""
        return self.origin + TOKEN_PATH


class AnyText(Convertor[str]):
    """Whatever stands in a path once it is decoded: an id may hold slashes and line breaks."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        """The text as it is."""
        return value

    def to_string(self, value: str) -> str:
        """The text as it is."""
        return value


def create_app(sandbox: Sandbox) -> Starlette:
    """The application that serves this sandbox."""
    register_url_convertor("any", AnyText())
    api, imports = _Api(sandbox), sandbox.prefix + IMPORTS_PATH
    app = Starlette(
        routes=[
            Route(TOKEN_PATH, api.guarded(api.give_token), methods=["POST"]),
            Route(imports, api.guarded(api.list_imports, scope="bulk-imports:read")),
            Route(imports + "/{import_id:any}/records", api.guarded(api.list_records, scope="bulk-imports:read")),
            Route(
                imports + "/{import_id:any}/errors", api.guarded(api.show_errors, scope="bulk-imports:read", file=True)
            ),
            Route(imports + "/{import_id:any}", api.guarded(api.show_import, scope="bulk-imports:read")),
            Route(sandbox.prefix + FIELDS_PATH, api.guarded(api.list_fields, scope="case-fields-public:read")),
            Route(sandbox.prefix + USERS_PATH, api.guarded(api.list_users, scope="users:read")),
            Route(sandbox.prefix + USERS_PATH + "/{user_id:any}", api.guarded(api.show_user, scope="users:read")),
            Route("/{path:any}", api.guarded(api.know_nothing), methods=METHODS),
        ],
        middleware=[Middleware(GZipMiddleware, compresslevel=1)],
    )
    app.state.world, app.state.tokens = sandbox.world, sandbox.tokens
    return app


class _Api:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def guarded(self, endpoint: Endpoint, *, scope: str = "", file: bool = False) -> Endpoint:
        """The endpoint with all that comes first: it is noted, faults strike, who may not is refused."""

        async def answer(request: Request) -> Response:
            self.sandbox.requests.append(_seen(request))
            return await self.sandbox.faults.answer(
                request, lambda: self._permitted(endpoint, request, scope, file=file)
            )

        return answer

    async def _permitted(self, endpoint: Endpoint, request: Request, scope: str, *, file: bool) -> Response:
        try:
            if scope:
                self.sandbox.tokens.require(request.headers.get("Authorization", ""), scope)
                _require_accept(request.headers.get("Accept", "*/*"), FILE_TYPES if file else MEDIA_TYPES)
            return await endpoint(request)
        except Refusal as refusal:
            return refusal.answer()

    async def give_token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        authorization = request.headers.get("Authorization", "")
        token_url = str(request.url.replace(query=""))
        answer = self.sandbox.tokens.answer(form, authorization=authorization, token_url=token_url)
        return json_answer(answer, headers={"Cache-Control": "no-store"})

    async def list_imports(self, request: Request) -> Response:
        address = _address(request, IMPORTS_PATH)
        # In a list `self` is the list's own address even inside an item: the vendor describes it so.
        items = [self._linked(one, address, self_address=address) for one in self.sandbox.world.imports()]
        return json_answer(hal_page(request, "imports", items, address=address, size=self.sandbox.page_size))

    async def show_import(self, request: Request) -> Response:
        return json_answer(self._linked(self._found(request), _address(request, IMPORTS_PATH)))

    async def list_records(self, request: Request) -> Response:
        if not self.sandbox.has_records_link:
            raise Refusal(404)
        records = self._found(request).records
        own = request.scope["raw_path"].decode("ascii").removeprefix(self.sandbox.prefix)
        page = hal_page(request, "records", records, address=_address(request, own), size=self.sandbox.page_size)
        return json_answer(page)

    async def show_errors(self, request: Request) -> Response:
        return Response(errors_file(self._found(request)), media_type="text/csv")

    async def list_fields(self, _request: Request) -> Response:
        return json_answer(self.sandbox.world.case_fields())

    async def list_users(self, request: Request) -> Response:
        address = _address(request, USERS_PATH)
        items = [self_linked(user, address) for user in self.sandbox.world.users()]
        page = hal_page(request, "users", items, address=address, size=self.sandbox.page_size)
        page["total_pages"] = max(1, -(-len(items) // page["per_page"]))
        page["_links"]["show"] = {"href": f"{address}/:id", "templated": True}
        return json_answer(page)

    async def show_user(self, request: Request) -> Response:
        address, wanted = _address(request, USERS_PATH), request.path_params["user_id"]
        for user in self.sandbox.world.users():
            if user.get("id") == wanted:
                return json_answer(self_linked(user, address))
        raise Refusal(404)

    async def know_nothing(self, _request: Request) -> Response:
        raise Refusal(404)

    def _linked(self, bulk_import: BulkImport, address: str, *, self_address: str | None = None) -> object:
        has_records = self.sandbox.has_records_link
        return linked(bulk_import, address, self_address=self_address, has_records=has_records)

    def _found(self, request: Request) -> BulkImport:
        try:
            return self.sandbox.world.find_import(request.path_params["import_id"])
        except KeyError:
            raise Refusal(404) from None


def _seen(request: Request) -> Seen:
    had_token = request.headers.get("Authorization", "").lower().startswith("bearer ")
    return Seen(request.method, target(request), had_token, time.monotonic())


def _address(request: Request, path: str) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{path}"


def _require_accept(header: str, served: set[str]) -> None:
    if not served & {accepted.partition(";")[0].strip().lower() for accepted in header.split(",")}:
        raise Refusal(406)
