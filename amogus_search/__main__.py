"""`python -m amogus_search` is `amogus`."""

import sys

from amogus_search.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
