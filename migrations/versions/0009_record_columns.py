"""The header of each import's file, which the cells of its records do not keep, and where the records came from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0009"
down_revision = "0008"

COLUMNS = (
    "Header of the file, as far as its records show it; columns that only later records have come after. "
    "NULL = not known, or cells are dropped."
)
SOURCE = (
    "Where the records came from: records, or errors_file (the failed ones alone, where the others cannot be had); "
    "NULL = nowhere yet."
)


def upgrade() -> None:
    op.add_column("imports", sa.Column("record_columns", ARRAY(sa.Text), comment=COLUMNS), schema="talkdesk")
    op.add_column("imports", sa.Column("records_source", sa.Text, comment=SOURCE), schema="talkdesk")
    # Until now there was nowhere else to have them from.
    op.execute("UPDATE talkdesk.imports SET records_source = 'records' WHERE records_loaded > 0")


def downgrade() -> None:
    op.drop_column("imports", "records_source", schema="talkdesk")
    op.drop_column("imports", "record_columns", schema="talkdesk")
