"""Tickbox measured beside Capistrano, and beside the least work that a deployment needs."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BENCH = Path(__file__).parent
sys.path.append(str(ROOT / "molecule"))  # its modules deal with test hosts
