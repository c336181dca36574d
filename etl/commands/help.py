"""What the commands' help says beyond their options; a test holds it against the settings and the errors."""

SETTINGS = """
\b
Settings (environment, or a .env file in the working directory):
  DATABASE_URL                  warehouse, postgresql://…; without it an embedded one
  TALKDESK_ETL_HOME             folder of the embedded database
  TALKDESK_ACCOUNT              account name, the host part of the identity URL
  TALKDESK_REGION               us, eu or ca (default us)
  TALKDESK_API_URL              overrides what account and region give
  TALKDESK_TOKEN_URL            overrides what account and region give
  TALKDESK_CLIENT_ID            OAuth client
  TALKDESK_CLIENT_SECRET        its secret …
  TALKDESK_CLIENT_SECRET_FILE   … or a file that holds it …
  TALKDESK_PRIVATE_KEY_FILE     … or a key for a signed assertion, with
  TALKDESK_KEY_ID               the key's id
  TALKDESK_CONCURRENCY          requests in flight per account (default 8)
  TALKDESK_REQUESTS_PER_SECOND  ceiling per account (default none)
  TALKDESK_TIMEOUT              seconds for connect and each read (default 30)
  TALKDESK_RETRY_SECONDS        how long one request is retried (default 120)
  TALKDESK_RETENTION_DAYS       days after which the source forgets (default 20)
  TALKDESK_RECORD_DATA          keep or drop the cells of records (default keep)
  TALKDESK_HASH_COLUMNS         cells to hash, comma separated
  TALKDESK_HASH_KEY             key of that hash
  TALKDESK_REJECTED_KEEP_DAYS   days to keep rejected items (default 90)
  TALKDESK_RUNS_KEEP_DAYS       days to keep runs in the ledger (default 400)
  TALKDESK_ETL_CONFIG           TOML file with many accounts ([accounts.NAME])
"""

EXIT_CODES = """
\b
Exit codes:
  0    done
  1    unexpected
  2    wrong use or settings
  3    source unreachable or overloaded, try later
  4    source refused (credentials, scope, address)
  5    source said something that cannot be understood
  6    database unreachable, or schema not at head
  7    another sync of this account holds the lock
  8    partly done
  9    status or verify found what it was asked to look for
  130  interrupted
"""
