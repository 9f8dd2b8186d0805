"""`python -m mpfhandler` is the command line."""

import sys

from ._faces.cli import main

if __name__ == "__main__":
    sys.exit(main())
