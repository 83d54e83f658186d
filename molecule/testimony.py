"""What a witness's records say of a run: rows that were lost, answers that were of two releases or of none. Pure functions.

A look is four answers got one after the other: ``before`` and ``after`` (from /version), between them ``page`` and ``asset``,
one that the page names. Each is ``[kind, what, detail]``: the kind, the release or the digest of what came, and for a person
what was seen.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise
from typing import Any

# Kinds of answers. `away`: nobody answered. `half`: whatever no visitor may get.
WHOLE, MAINTENANCE, LIMITED, AWAY, HALF = "whole", "maintenance", "limited", "away", "half"
SETTLED = 1.0  # seconds; in a longer look a release may have come and gone
BLIND = 6.0  # seconds without a look, which waits 5 for an answer: what happened meanwhile nobody saw

Look = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What was seen to go wrong. ``unseen``: what could not be judged, which is no better."""

    acknowledged: int
    looks: int
    away: int
    lost: tuple[int, ...]
    twice: tuple[int, ...]
    mixed: tuple[str, ...]
    halves: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return not (self.lost or self.twice or self.mixed or self.halves or self.unseen)

    def __str__(self) -> str:
        seen = f"{self.acknowledged} rows acknowledged, {self.looks} looks, {self.away} of them met nobody"
        faults = {
            "lost": self.lost,
            "twice": self.twice,
            "of two releases": self.mixed,
            "of none": self.halves,
            "not seen": self.unseen,
        }
        told = [f"{len(found)} {name} ({', '.join(map(str, found[:3]))})" for name, found in faults.items() if found]
        return "; ".join([seen, *told])


def kind_of(status: int, text: str, page_text: str) -> str:
    """``page_text`` is what the maintenance page says."""
    if status == HTTPStatus.OK:
        return WHOLE
    if status == HTTPStatus.SERVICE_UNAVAILABLE and page_text in text:
        return MAINTENANCE
    return LIMITED if status == HTTPStatus.TOO_MANY_REQUESTS else HALF


def numbers(mark: str, text: str) -> list[int]:
    """The numbers of this witness's rows in a text, as often as they stand there."""
    return [int(number) for number in re.findall(rf"\b{re.escape(mark)}-([0-9]+)\b", text)]


def acknowledged(written: Iterable[Mapping[str, Any]]) -> set[int]:
    return {line["number"] for line in written if HTTPStatus.OK <= line.get("status", 0) < HTTPStatus.MULTIPLE_CHOICES}


def version_of(release: str) -> str:
    """v1.0.0-85b09019 is a release of v1.0.0."""
    return release.rpartition("-")[0]


def _at(look: Look, text: str) -> str:
    return f"{look['at']:.2f}: {text}"


def _settled(look: Look) -> bool:
    return bool(look["before"][:2] == look["after"][:2] and look["seconds"] < SETTLED and look["before"][0] in {WHOLE, MAINTENANCE})


def _usual(answers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Of each name what came with it most often."""
    known: dict[str, Counter[str]] = defaultdict(Counter)
    for name, digest in answers:
        known[name][digest] += 1
    return {name: digests.most_common(1)[0][0] for name, digests in known.items()}


def mixed(looks: Sequence[Look]) -> list[str]:
    """Looks at one release that met a page or an asset of another, and pages that got past the maintenance page."""
    at_rest = [look for look in looks if _settled(look) and look["before"][0] == look["page"][0] == WHOLE]
    pages = _usual((look["before"][1], look["page"][1]) for look in at_rest)
    assets = _usual((look["asset"][2], look["asset"][1]) for look in looks if look["asset"] and look["asset"][0] == WHOLE)
    found = []
    for look in looks:
        page, asset, releases = look["page"], look["asset"], [look[end][1] for end in ("before", "after") if look[end][0] == WHOLE]
        if _settled(look) and {look["before"][0], page[0]} == {WHOLE, MAINTENANCE}:
            found.append(_at(look, f"/version was {look['before'][2]} before and after, the page {page[2]}"))
        # Over a switch it may be of either.
        elif page[0] == WHOLE and releases and page[1] not in {pages.get(release, page[1]) for release in releases}:
            found.append(_at(look, f"the page is not the one of {' or '.join(dict.fromkeys(releases))}"))
        if asset and asset[0] == WHOLE and asset[1] != assets[asset[2]]:
            found.append(_at(look, f"{asset[2]} is not what it was"))
    return found


def halves(looks: Iterable[Look], versions: Collection[str], away_allowed: bool = False) -> list[str]:
    """Answers that were neither of one of these versions nor the maintenance page."""
    found = []
    for look in looks:
        for name in ("before", "page", "asset", "after"):
            kind, what, detail = look[name] or (WHOLE, "", "")
            if kind == HALF or (kind == AWAY and not away_allowed):
                found.append(_at(look, f"{name}: {detail}"))
            elif name in {"before", "after"} and kind == WHOLE and version_of(what) not in versions:
                found.append(_at(look, f"{name}: {what} served"))
    return found


def unseen(looks: Sequence[Look], known: Collection[int], begun: float, ended: float) -> list[str]:
    """Where nobody looked, so that nothing can be said."""
    sights = [look["at"] for look in looks if LIMITED not in {look[name][0] for name in ("before", "page", "after")}]
    gaps = [(one, other) for one, other in pairwise([begun, *sorted(sights), ended]) if other - one > BLIND]
    told = [f"nobody looked from {one:.0f} for {other - one:.0f} s" for one, other in gaps]
    return told + ([] if known else ["no row was acknowledged"])


def judge(
    written: Iterable[Mapping[str, Any]],
    looks: Sequence[Look],
    serving: Sequence[int],
    kept: Collection[int],
    versions: Collection[str],
    away_allowed: bool,
    begun: float,
    ended: float,
) -> Verdict:
    """``serving``: the numbers in the database that serves, each as often as it is there. ``kept``: those set aside or exported."""
    known = acknowledged(written)
    return Verdict(
        acknowledged=len(known),
        looks=len(looks),
        away=sum(AWAY in {look[name][0] for name in ("before", "page", "after")} for look in looks),
        lost=tuple(sorted(known - set(serving) - set(kept))),
        twice=tuple(sorted(number for number, times in Counter(serving).items() if times > 1)),
        mixed=tuple(mixed(looks)),
        halves=tuple(halves(looks, versions, away_allowed)),
        unseen=tuple(unseen(looks, known, begun, ended)),
    )
