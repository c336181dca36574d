SELECT version_num::text FROM talkdesk.alembic_version
