# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The line at the bottom of a terminal that says what is going on and is drawn anew, below all that Ansible displays.

Not rich.live: it replaces sys.stdout, whose buffer Ansible's prompts write to, and draws under a lock of its own, which a fork for
a task may copy while it is held. Here every write happens under the lock of Ansible's Display, which is held while Ansible forks.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

INTERVAL = 0.15  # seconds
ERASE = "\r\x1b[K"
PROMPTS = ("prompt", "prompt_until", "do_var_prompt")


class LiveLine:
    """``draw`` returns the text, no wider than the terminal; empty for none."""

    def __init__(self, display: Any, draw: Callable[[], str]) -> None:
        self._display, self._draw, self._owner = display, draw, os.getpid()
        self._shown = False
        self._prompting = 0
        self._ended = threading.Event()

    def begin(self) -> None:
        for name in ("display", *PROMPTS):
            setattr(self._display, name, self._above(getattr(self._display, name), name in PROMPTS))
        threading.Thread(target=self._redraw, name="live line", daemon=True).start()
        atexit.register(self.end)  # also where the run is interrupted

    def end(self) -> None:
        self._ended.set()
        with self._display._lock:
            self._erase()

    def _redraw(self) -> None:
        while not self._ended.wait(INTERVAL):
            with self._display._lock:
                text = "" if self._prompting or self._ended.is_set() else self._draw()
                if text:
                    sys.stdout.write(ERASE + text)
                    sys.stdout.flush()
                    self._shown = True
                else:
                    self._erase()

    def _erase(self) -> None:
        if self._shown:
            sys.stdout.write(ERASE)
            sys.stdout.flush()
            self._shown = False

    def _above(self, original: Callable[..., Any], prompts: bool) -> Callable[..., Any]:
        """The method of the Display, which first takes the line away, and keeps it away while somebody is asked."""

        @wraps(original)
        def method(*args: Any, **kwargs: Any) -> Any:
            if os.getpid() != self._owner:  # a fork hands it to its parent
                return original(*args, **kwargs)
            if not prompts:
                with self._display._lock:
                    self._erase()
                    return original(*args, **kwargs)
            with self._display._lock:
                self._prompting += 1
                self._erase()
            try:
                return original(*args, **kwargs)
            finally:
                self._prompting -= 1

        return method
