"""Start it: `python -m torture`."""

import sys

from .command import main

sys.exit(main())
