# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that are the old ones or the new ones, whole, whenever the power fails."""

from __future__ import annotations

import os
from pathlib import Path


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Write ``text`` beside ``path``, have the disk keep it, and give it the name."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(mode)
    draft.rename(path)
