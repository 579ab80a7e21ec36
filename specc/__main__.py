"""`python -m specc` is the command `specc`. Holds nothing else."""

import sys

from specc.cli import main

if __name__ == "__main__":
    sys.exit(main())
