#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what the application remembers of what people do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_activity
short_description: Whether each of some actions became exactly one event
description:
  - C(post.monitoring.user_activity) is ticked when each request of O(answers), which M(smoke_requests) has sent, made exactly
    one row in O(table) with its id and the right kind; when these rows hold nothing beside O(columns), none of O(personal), and
    no other row tells of the actions.
  - Waits O(timeout) for events that are written later, and then O(settle) for a second one.
  - Runs on the database host, as the server's own user.
extends_documentation_fragment: [look]
options:
  database:
    description: Database to connect to.
    type: str
    required: true
  table:
    description: Table of the events, with its schema.
    type: str
    required: true
  id_column:
    description: Column with the request's id.
    type: str
    required: true
  kind_column:
    description: Column that says what was done.
    type: str
    required: true
  columns:
    description: All columns that events are declared to have.
    type: list
    elements: str
    required: true
  order_column:
    description: Column that grows with each event, best its key.
    type: str
    default: id
  answers:
    description: What was done, as M(smoke_requests) returned it.
    type: list
    elements: dict
    required: true
  kinds:
    description: The kind of event that each of O(answers) should have made, in the same order, and again for each address.
    type: list
    elements: str
    required: true
  personal:
    description:
      - Texts of the person who did it, by what they are, which no event may hold. Not shown. Addresses are looked for as well.
    type: dict
    default: {}
  newest:
    description: How many of the newest rows are looked through for further traces of the actions.
    type: int
    default: 1000
  timeout:
    description: Seconds that an event may take to appear.
    type: float
    default: 5
  settle:
    description: Seconds after which a second event of the same action would have appeared.
    type: float
    default: 1
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: User activity is being tracked
  check_activity:
    database: shop
    table: public.events
    id_column: request_id
    kind_column: kind
    columns: [id, kind, user_id, request_id, created_at]
    answers: "{{ done.answers }}"
    kinds: [login]
    personal: {name: probe}
  become: true
  become_user: postgres
"""

RETURN = r"""
assertions:
  description: The one for C(post.monitoring.user_activity), with item, status (passed, failed or unverifiable), summary,
    expected, observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import json
import time
from itertools import cycle
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import postgresql
from ansible.module_utils.tickbox.activity import Action, Layout, Row, judge_activity
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection, rows

TRACE = 12  # characters: a text as long is nobody else's
Found = tuple[dict[str, list[Row]], list[Row]]


def look(params: dict[str, Any]) -> Verdict:
    layout = Layout(params["id_column"], params["kind_column"], params["columns"])
    try:
        actions = [
            Action(str(given["name"]), str(given["request_id"]), kind, tuple(given["problems"]))
            for given, kind in zip(params["answers"], cycle(params["kinds"]), strict=False)
        ]
    except (KeyError, TypeError):
        raise CouldNotLook("answers: each needs name, request_id and problems") from None
    personal = {str(what): str(text) for what, text in params["personal"].items()}
    try:
        with connection(params["database"], autocommit=True) as opened, opened.cursor() as cursor:
            end = time.monotonic() + params["timeout"]
            while True:
                found = read(cursor, params, layout, actions, personal)
                if all(found[0].values()) or time.monotonic() > end:
                    break
                time.sleep(0.2)
            time.sleep(params["settle"])
            events, strays = read(cursor, params, layout, actions, personal)
    except DatabaseError as error:
        raise CouldNotLook(f"{params['database']}: {error}") from None
    return judge_activity(actions, events, strays, layout, personal)


def read(cursor: Any, params: dict[str, Any], layout: Layout, actions: list[Action], personal: dict[str, str]) -> Found:
    """The rows of each action, and other rows among the newest that hold an action's id or something personal."""
    table, column = postgresql.sql.Identifier(*params["table"].split(".")), postgresql.sql.Identifier(layout.id_column)
    by_id = postgresql.sql.SQL("SELECT to_jsonb(e)::text FROM {} e WHERE {} = ANY(%s)").format(table, column)
    newest = postgresql.sql.SQL("SELECT to_jsonb(e)::text FROM {} e ORDER BY {} DESC LIMIT {}").format(
        table, postgresql.sql.Identifier(params["order_column"]), postgresql.sql.Literal(params["newest"])
    )
    ids = [action.request_id for action in actions]
    # As a text of no type yet, it becomes whatever the column holds.
    own = [json.loads(text) for (text,) in rows(cursor, by_id, ("{" + ",".join(ids) + "}",))]
    events: dict[str, list[Row]] = {name: [row for row in own if _same(row.get(layout.id_column), name)] for name in ids}
    traces = [*ids, *(text for text in personal.values() if len(text) >= TRACE)]
    others = (text for (text,) in rows(cursor, newest))
    strays = [json.loads(text) for text in others if any(trace in text for trace in traces)]
    return events, [row for row in strays if row not in own]


def _same(value: Any, request_id: str) -> bool:
    """A column of the type uuid shows hyphens."""
    return str(value).replace("-", "") == request_id.replace("-", "")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "table": {"type": "str", "required": True},
            "id_column": {"type": "str", "required": True},
            "kind_column": {"type": "str", "required": True},
            "columns": {"type": "list", "elements": "str", "required": True},
            "order_column": {"type": "str", "default": "id"},
            "answers": {"type": "list", "elements": "dict", "required": True},
            "kinds": {"type": "list", "elements": "str", "required": True},
            "personal": {"type": "dict", "default": {}, "no_log": True},
            "newest": {"type": "int", "default": 1000},
            "timeout": {"type": "float", "default": 5},
            "settle": {"type": "float", "default": 1},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    exit_with(module, [examine("post.monitoring.user_activity", lambda: look(module.params))])


if __name__ == "__main__":
    main()
