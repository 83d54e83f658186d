# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides what becomes of the database on the way back, from what was found out about each policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

AUTO = "auto"
ORDER = ("keep", "downgrade", "restore")  # what loses least comes first
NOT_LOOKED = "nobody has looked whether it is possible"


class NoPolicy(Exception):
    """What was asked for is not possible, or nothing is; the message is one line and names the variable."""


@dataclass(frozen=True)
class Decision:
    """policy: one of ORDER. seen: what was seen of it. against: why those before it in the order were not chosen."""

    policy: str
    seen: str
    against: Mapping[str, str]

    @property
    def text(self) -> str:
        """For a person."""
        chosen = f"{self.policy}: {self.seen}" if self.seen else self.policy
        return "; ".join([chosen, *(f"not {policy}: {reason}" for policy, reason in self.against.items())])


def decide(asked: str, against: Mapping[str, str], seen: Mapping[str, str]) -> Decision:
    """The policy that was asked for, or the first of the order that is possible.

    against: what speaks against each policy that was looked at, empty where it is possible. One that nobody looked at is not.
    seen: what was seen of those that are.
    """
    if asked not in (AUTO, *ORDER):
        raise NoPolicy(f"rollback_database: {asked!r} is none of {', '.join((AUTO, *ORDER))}")
    reasons = {policy: against.get(policy, NOT_LOOKED) for policy in ORDER}
    if asked != AUTO:
        if reasons[asked]:
            raise NoPolicy(f"rollback_database={asked} is not possible: {reasons[asked]}")
        return Decision(asked, seen.get(asked, ""), {})
    before: dict[str, str] = {}
    for policy, reason in reasons.items():
        if not reason:
            return Decision(policy, seen.get(policy, ""), before)
        before[policy] = reason
    raise NoPolicy(
        f"rollback_database: no policy is possible. {'; '.join(f'{policy}: {reason}' for policy, reason in before.items())}"
    )
