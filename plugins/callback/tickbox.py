# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows a run on the terminal: phases, the step in progress, each statement of the checklist as it is ticked, how it ended."""

from __future__ import annotations

DOCUMENTATION = """
name: tickbox
type: stdout
short_description: Show the checklist as it is ticked
description:
  - Shows each phase with the time since the start, each statement as a C(check_*) module ticks it, steps that changed something or
    took long, failures, and how the run ended. Hosts that say the same are folded together.
  - On a terminal the last line says what is going on. In a log there is a line for a step only where there is something to say, and
    for one that takes more than a minute now and then.
  - With C(-v) and more, what the callback P(ansible.builtin.default#callback) shows is there as well.
  - The run record does not depend on it, see P(tickbox_record#callback).
extends_documentation_fragment:
  - default_callback
  - result_format_callback
options:
  recap:
    description: Show Ansible's counts of tasks for each host also where a run kept a record and no host failed.
    type: bool
    default: false
    env: [{name: TICKBOX_RECAP}]
    ini: [{section: callback_tickbox, key: recap}]
requirements:
  - set as stdout in configuration
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ansible.module_utils
import yaml
from ansible import constants as C
from ansible import context
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as Default

# Ansible gives plugins/module_utils to modules only; a callback has to name it.
PLUGINS = Path(__file__).parents[1]
ansible.module_utils.__path__.append(str(PLUGINS / "module_utils"))
from ansible.module_utils.tickbox.callbacks import assertions_of, outermost_role, rescue_of
from ansible.module_utils.tickbox.live_line import LiveLine
from ansible.module_utils.tickbox.step_lines import Step, Trouble, end_title, ending, reasons, recap, spoken
from ansible.module_utils.tickbox.terminal import Line, Page, clean, clock, duration, heading, numbered

ASSERT = ("ansible.builtin.assert", "ansible.legacy.assert", "assert")
REPORTS = ("report.html", "checklist.md")
STILL = 60.0  # seconds after which a log says what it waits for; then after twice as many, and so on


class CallbackModule(Default):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "tickbox"

    def __init__(self) -> None:
        super().__init__()
        checklist = yaml.safe_load((PLUGINS.parent / "checklist.yml").read_text())["items"]
        self._texts = {item["id"]: item["text"] for item in checklist}
        self._began = time.monotonic()
        # ansible-runner's callback inherits from this one, and has a stream of events to keep free of anything else.
        self._terminal = type(self) is CallbackModule and sys.stdout.isatty() and os.environ.get("TERM") not in (None, "dumb")
        self._unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        self._live = LiveLine(self._display, self._going_on) if self._terminal else None
        self._title = self._said_title = ""
        self._steps: dict[str, Step] = {}
        self._directory: Path | None = None
        self._summary: dict[str, Any] = {}

    @property
    def _verbose(self) -> bool:
        return bool(self._display.verbosity > 0)

    @property
    def _page(self) -> Page:
        """Asked anew for each line: a terminal may be resized."""
        return Page(shutil.get_terminal_size().columns - 1 if self._terminal else None, self._unicode)

    # What begins and ends.

    def v2_playbook_on_start(self, playbook: Any) -> None:
        super().v2_playbook_on_start(playbook)
        if self._live:
            self._live.begin()
        else:
            threading.Thread(target=self._say_what_takes_long, name="log", daemon=True).start()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._finish()
        self._play = play
        self._enter(play.get_name().strip())
        if self._verbose:
            super().v2_playbook_on_play_start(play)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._begin(task)
        if self._verbose:
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._begin(task)
        if self._verbose:
            super().v2_playbook_on_handler_task_start(task)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if task._uuid in self._steps:
            self._steps[task._uuid].begun.add(host.name)
        super().v2_runner_on_start(host, task)

    def v2_playbook_on_vars_prompt(self, *args: Any, **kwargs: Any) -> None:
        self._finish()

    def v2_playbook_on_include(self, included_file: Any) -> None:
        if self._verbose:
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        self._finish()
        if self._verbose:
            super().v2_playbook_on_no_hosts_remaining()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._finish()
        if self._live:
            self._live.end()
        counts = {host: stats.summarize(host) for host in stats.processed}
        off = any(one["failures"] or one["unreachable"] for one in counts.values())
        if self._verbose:
            super().v2_playbook_on_stats(stats)
        elif off or not self._summary or self.get_option("recap"):
            self._say([Line(""), *recap(counts, self._page)])
        if stats.custom and self.get_option("show_custom_stats") and not self._verbose:
            self._say(Line(f"  {host}: {self._dump_results(values)}") for host, values in sorted(stats.custom.items()))
        if self._summary:
            title = end_title(self._summary)
            self._say([Line(""), Line(heading(title.text, self._elapsed, self._page), title.tone)])
            self._say(ending(self._summary, self._texts, self._report(), self._page))
        if context.CLIARGS["check"] and not self._verbose:
            self._say([Line("  Check mode: nothing was changed.")])

    # What hosts answer.

    def v2_runner_on_ok(self, result: Any) -> None:
        step = self._answered(result)
        self._remember_run(result.result)
        if self._verbose:
            super().v2_runner_on_ok(result)
            return
        self._handle_warnings_and_exception(result)
        if isinstance(result.task, TaskInclude):
            return
        if "results" not in result.result or not result.task.loop:
            self._message(step, result)
        if result.result.get("changed"):
            step.changed.append((result.host.name, tuple(step.items.get(result.host.name, ()))))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        step = self._answered(result)
        if self._verbose:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        self._fail(step, result, ignored=ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        step = self._answered(result)
        if self._verbose:
            super().v2_runner_on_unreachable(result)
            return
        self._fail(step, result, unreachable=True, ignored=bool(result.task.ignore_unreachable))

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._answered(result)
        if self._verbose:
            super().v2_runner_on_skipped(result)
            return
        self._handle_warnings_and_exception(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        if self._verbose:
            super().v2_runner_item_on_ok(result)
            return
        self._handle_warnings_and_exception(result)
        step = self._step(result)
        self._message(step, result)
        if result.result.get("changed"):
            step.items.setdefault(result.host.name, []).append(self._label(result.result))

    def v2_runner_item_on_failed(self, result: Any) -> None:
        if self._verbose:
            super().v2_runner_item_on_failed(result)
        else:
            self._handle_warnings(result.result)  # the failure itself is told with the task's

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        if self._verbose:
            super().v2_runner_item_on_skipped(result)
        else:
            self._handle_warnings_and_exception(result)

    def v2_runner_retry(self, result: Any) -> None:
        self._step(result).attempts = f"attempt {result.result['attempts'] + 1} of {result.result['retries']}"
        if self._verbose:
            super().v2_runner_retry(result)

    def v2_runner_on_async_poll(self, result: Any) -> None:
        if self._verbose:
            super().v2_runner_on_async_poll(result)

    def v2_runner_on_async_ok(self, result: Any) -> None:
        if self._verbose:
            super().v2_runner_on_async_ok(result)

    def v2_runner_on_async_failed(self, result: Any) -> None:
        if self._verbose:
            super().v2_runner_on_async_failed(result)

    def v2_on_file_diff(self, result: Any) -> None:
        if self._verbose:
            super().v2_on_file_diff(result)
            return
        for seen in result.result["results"] if result.task.loop and "results" in result.result else [result.result]:
            if seen.get("changed") and seen.get("diff") and (text := self._get_diff(seen["diff"])):
                self._step(result).diffs.append((result.host.name, text.rstrip("\n")))

    # How it comes onto the page.

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _say(self, lines: Iterable[Line]) -> None:
        with self._display._lock:
            for text, tone in lines:
                self._display.display(text, color=getattr(C, f"COLOR_{tone.upper()}") if tone else None)
            sys.stdout.flush()  # a run that is killed leaves what it said

    def _enter(self, title: str) -> None:
        """A phase of the checklist is named as it begins, anything else once there is something to say of it."""
        self._title = title
        if numbered(title):
            self._head()

    def _head(self) -> None:
        if self._title != self._said_title:
            self._said_title = self._title
            self._say([Line(""), Line(heading(self._title, self._elapsed, self._page), "highlight")])

    def _begin(self, task: Any) -> None:
        self._finish()
        include = outermost_role(task)
        title = include.get_name() if include else self._play.get_name().strip()
        if title != self._title:
            self._enter(title)
        # In a phase the step is known without the role's name.
        name = (include and task.name) or task.get_name().strip()
        self._steps[task._uuid] = Step(clean(str(name)), time.monotonic())

    def _finish(self) -> None:
        """Say what there is to say of the task that has ended: hosts can be folded only then."""
        with self._display._lock:
            for step in list(self._steps.values()):
                if lines := step.lines(time.monotonic() - step.started, self._texts, self._page):
                    self._head()
                    self._say(lines)
            self._steps = {}

    def _step(self, result: Any) -> Step:
        """With a strategy under which hosts go their own ways, another task may have begun meanwhile."""
        return self._steps.setdefault(result.task._uuid, Step(clean(str(result.task_name)), time.monotonic()))

    def _answered(self, result: Any) -> Step:
        step = self._step(result)
        step.done.add(result.host.name)
        for host, assertion in assertions_of(result):
            step.looks.setdefault(assertion["item"], []).append((host, assertion))
        return step

    def _handle_warnings(self, res: Any) -> None:
        if res.get("warnings") or res.get("deprecations"):
            self._head()  # so that one sees whence they come
        super()._handle_warnings(res)

    def _handle_exception(self, result: Any, use_stderr: bool = False) -> None:
        if "censored" in result:  # Ansible's own callback shows the error of a task with no_log, message and all
            result.pop("exception", None)
        super()._handle_exception(result, use_stderr)

    def _message(self, step: Step, result: Any) -> None:
        """What was made to be read: debug, and whatever else asks to be shown. Not that an assertion held."""
        values = result.result
        if not values.get("_ansible_verbose_always") or result.task.action in ASSERT:
            return
        self._clean_results(values, result.task.action)
        named = {name: value for name, value in values.items() if not name.startswith("_") and name not in ("changed", "item")}
        text = spoken(values["msg"]) if "msg" in values else "\n".join(f"{name}: {spoken(value)}" for name, value in named.items())
        step.said.append((result.host.name, text))

    def _fail(self, step: Step, result: Any, ignored: bool, unreachable: bool = False) -> None:
        values = result.result
        items = [
            one for one in values.get("results", []) if isinstance(one, dict) and (one.get("failed") or one.get("unreachable"))
        ]
        what = tuple(f"{self._label(one)}: {text}" for one in items for text in reasons(one)) or reasons(values)
        self._handle_warnings(values)
        path = result.task.get_path() or ""
        if not self._told_by((str(values.get("msg")), *what), path):
            self._head()
            self._handle_exception(values, use_stderr=self.get_option("display_failed_stderr"))
        rescue = "" if unreachable else rescue_of(result.task)
        place = f"at {os.path.relpath(path)}" if path and not ignored else ""
        trouble = Trouble(what, f'rescued by "{rescue}"' if rescue else "", place, unreachable, ignored)
        step.troubles.append((result.host.name, trouble))

    def _told_by(self, what: tuple[str, ...], path: str) -> bool:
        """Whether what is shown of a failure has all that Ansible's own error says, which wraps the module's message."""
        file = path.rpartition(":")[0]
        error, message = self._current_task_result.exception, ""
        event: Any = error.event if error else None
        while event:
            elsewhere = event.formatted_source_context and file not in event.formatted_source_context
            if event.formatted_traceback or event.help_text or event.events or elsewhere:
                return False
            event, message = event.chain.event if event.chain else None, event.msg
        return message in "\n".join(what)

    def _label(self, values: dict[str, Any]) -> str:
        label = self._get_item_label(values)
        return label if isinstance(label, str) else self._dump_results({"item": label}) if label else ""

    def _remember_run(self, values: dict[str, Any]) -> None:
        """Which run it is, and how it ended, as run_record says."""
        if directory := (values.get("tickbox_run") or {}).get("directory"):
            self._directory = Path(directory)
        summary = values.get("summary")
        if isinstance(summary, dict) and "run_id" in summary:
            self._summary = summary

    def _report(self) -> str:
        """The best there is to read of the run."""
        if self._directory is None:
            return ""
        found = [path for name in REPORTS if (path := self._directory / name).exists()]
        return os.path.relpath(found[0] if found else self._directory)

    # While a task goes on.

    def _going_on(self) -> str:
        """The line at the bottom: the step, how long it has taken, how many hosts are through with it."""
        step = next(reversed(list(self._steps.values())), None)
        if step is None:
            return ""
        page, took = self._page, time.monotonic() - step.started
        parts = [duration(took)]
        if len(step.begun) > 1:
            parts.append(f"{len(step.done)} of {len(step.begun)} hosts")
        if step.troubles:
            parts.append(f"failed on {len(step.troubles)}")
        if step.attempts:
            parts.append(step.attempts)
        spinner = page.spinner[int(took * 8) % len(page.spinner)]
        return f"{spinner} {clock(self._elapsed)}  {step.name}  {', '.join(parts)}"[: page.width]

    def _say_what_takes_long(self) -> None:
        """A log that says nothing for minutes looks as if the run were dead."""
        told: dict[int, float] = {}
        while True:
            time.sleep(1)
            with self._display._lock:
                for step in list(self._steps.values()):
                    took, due = time.monotonic() - step.started, told.get(id(step), STILL)
                    if took >= due:
                        told = {id(step): due * 2}
                        self._head()
                        self._say([Line(f"  . {step.name}: {clock(took)} so far")])
