# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checklist of a run as a JUnit report, which CI services show: a test case an item."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as XML

from .assertion import TICKED

KINDS = {"failed": "failure", "unverifiable": "error"}  # what else is no tick was skipped
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # characters that XML 1.0 cannot hold


def report(summary: Mapping[str, Any], checklist: list[dict[str, Any]]) -> str:
    """The report of what ``summary`` (as in summary.json) says of each item of the checklist."""
    results = {item["id"]: item for item in summary["items"]}
    suite = XML.Element(
        "testsuite", name=f"{summary['kind']} of {summary['app']} to {summary['environment']}", id=summary["run_id"]
    )
    counts = {"failure": 0, "error": 0, "skipped": 0}
    for item in checklist:
        seen = results.get(item["id"], {"status": "not looked at", "summary": "the run did not come to it"})
        case = XML.SubElement(
            suite, "testcase", classname=item["phase"], name=f"{item['id']}: {item['text']}", time=str(seen.get("seconds", 0.0))
        )
        if seen["status"] not in TICKED:
            kind = KINDS.get(seen["status"], "skipped")
            counts[kind] += 1
            told = NOT_XML.sub("?", f"{seen['status']}: {seen['summary']}")
            XML.SubElement(case, kind, message=told).text = told
        else:
            XML.SubElement(case, "system-out").text = NOT_XML.sub("?", f"{seen['status']}: {seen['summary']}")
    totals = {"failures": counts["failure"], "errors": counts["error"], "skipped": counts["skipped"], "tests": len(checklist)}
    suite.attrib.update({name: str(count) for name, count in totals.items()}, time=str(summary["seconds"]))
    suites = XML.Element("testsuites")
    suites.append(suite)
    XML.indent(suites)
    return XML.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
