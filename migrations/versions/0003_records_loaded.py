"""How many records of an import are here, so that no question has to count them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

FILL = """
    UPDATE talkdesk.imports AS i
    SET records_loaded = r.records_loaded
    FROM (
        SELECT account, import_id, count(*) AS records_loaded
        FROM talkdesk.import_records
        GROUP BY account, import_id
    ) AS r
    WHERE r.account = i.account AND r.import_id = i.import_id
"""


def upgrade() -> None:
    column = sa.Column(
        "records_loaded",
        sa.BigInteger,
        nullable=False,
        server_default=sa.text("0"),
        comment="Rows of the import in import_records, kept by the loader.",
    )
    op.add_column("imports", column, schema="talkdesk")
    op.execute(FILL)


def downgrade() -> None:
    op.drop_column("imports", "records_loaded", schema="talkdesk")
