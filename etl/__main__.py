"""`python -m etl` does the same as `talkdesk-etl`."""

import sys

from etl.cli import main

if __name__ == "__main__":
    sys.exit(main())
