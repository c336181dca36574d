# mypy: ignore-errors
"""The account by dlt's own REST source; runs in dlt's environment, not in ours."""

import os
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source


def by_links() -> dict[str, str]:
    """Paging by the link to the next page; the endpoint with the child path needs a paginator of its own."""
    return {"type": "json_link", "next_url_path": "_links.next.href"}


IMPORTS = {
    "name": "imports",
    "primary_key": "id",
    "endpoint": {"path": "bulk-imports/users", "data_selector": "_embedded.imports", "paginator": by_links()},
}
RECORDS = {
    "name": "records",
    "primary_key": "id",
    "include_from_parent": ["id"],
    "endpoint": {
        "path": "{resources.imports._links.records.href}",
        "data_selector": "_embedded.records",
        "paginator": by_links(),
    },
}
CASE_FIELDS = {
    "name": "case_fields",
    "primary_key": "key",
    "endpoint": {"path": "cm/meta/va/fields", "data_selector": "$", "paginator": "single_page"},
}
DEFAULTS = {
    "write_disposition": {"disposition": "merge", "strategy": "delete-insert"},
    "parallelized": True,
    "max_table_nesting": 0,
}


def main() -> None:
    """Afterwards the schema `peer` holds what the API shows."""
    source = rest_api_source(
        {
            "client": {"base_url": os.environ["API"]},
            "resource_defaults": DEFAULTS,
            "resources": [IMPORTS, RECORDS, CASE_FIELDS],
        }
    )
    state = Path(os.environ["STATE"]).resolve()
    pipeline = dlt.pipeline("bench", pipelines_dir=str(state), dataset_name="peer", destination="postgres")
    pipeline.run(source, loader_file_format="parquet").raise_on_failed_jobs()


if __name__ == "__main__":
    main()
