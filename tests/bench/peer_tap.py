# mypy: ignore-errors
"""The account as a tap on the Singer SDK; runs in the SDK's environment, not in ours."""

import os
from typing import Any
from urllib.parse import parse_qsl

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import BaseHATEOASPaginator


def schema(**types: Any) -> dict[str, Any]:
    """A JSON schema of these properties."""
    return th.PropertiesList(*(th.Property(name, each) for name, each in types.items())).to_dict()


TEXT, NUMBER, YES_NO, INSTANT = th.StringType, th.IntegerType, th.BooleanType, th.DateTimeType
OBJECTS = th.ArrayType(th.ObjectType(additional_properties=True))


class NextLink(BaseHATEOASPaginator):
    """Follows the link to the next page."""

    def get_next_url(self, response: Any) -> str | None:
        """The link; a bare array has none."""
        body = response.json()
        return body["_links"].get("next", {}).get("href") if isinstance(body, dict) else None


class Collection(RESTStream):
    """What all streams share."""

    url_base = os.environ["API"]
    primary_keys = ("id",)

    def get_new_paginator(self) -> NextLink:
        """One for each list."""
        return NextLink()

    def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:  # noqa: ARG002
        """The next link's own query."""
        return dict(parse_qsl(next_page_token.query)) if next_page_token else {}


class Imports(Collection):
    """The bulk imports."""

    name = "imports"
    path = "/bulk-imports/users"
    records_jsonpath = "$._embedded.imports[*]"
    schema = schema(
        **dict.fromkeys(("id", "filename", "type", "status", "created_by", "updated_by", "canceled_by"), TEXT),
        **dict.fromkeys(("total_records", "completed_records", "failed_records"), NUMBER),
        **dict.fromkeys(("created_at", "updated_at", "canceled_at"), INSTANT),
    )

    def get_child_context(self, record: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG002
        """What the records' stream needs to know of an import."""
        return {"import_id": record["id"]}


class Records(Collection):
    """The records of the imports."""

    name = "records"
    parent_stream_type = Imports
    state_partitioning_keys = ()  # else every state message would name every import
    path = "/bulk-imports/users/{import_id}/records"
    records_jsonpath = "$._embedded.records[*]"
    schema = schema(
        **dict.fromkeys(("id", "import_id", "status"), TEXT),
        line=NUMBER,
        error=th.ObjectType(th.Property("code", TEXT), th.Property("message", TEXT), th.Property("fields", OBJECTS)),
        data=th.ObjectType(
            *(th.Property(name, TEXT) for name in ("email", "name", "role", "extension")),
            th.Property("ring_groups", th.ArrayType(TEXT)),
        ),
        **dict.fromkeys(("created_at", "updated_at"), INSTANT),
    )

    def post_process(self, row: dict[str, Any], context: Any = None) -> dict[str, Any]:
        """The record with its import's id."""
        return {**row, "import_id": context["import_id"]}


class CaseFields(Collection):
    """The case fields with their dictionaries."""

    name = "case_fields"
    primary_keys = ("key",)
    path = "/cm/meta/va/fields"
    records_jsonpath = "$[*]"
    schema = schema(
        **dict.fromkeys(("key", "name", "type", "description"), TEXT),
        **dict.fromkeys(("required", "active"), YES_NO),
        **dict.fromkeys(("created_at", "updated_at"), INSTANT),
        dict_list=OBJECTS,
    )


class Account(Tap):
    """All streams."""

    name = "tap-account"
    config_jsonschema = schema()

    def discover_streams(self) -> list[Collection]:
        """The streams."""
        return [Imports(self), Records(self), CaseFields(self)]


if __name__ == "__main__":
    Account.cli()
