# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of each look has in common."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  report_only:
    description: Return the assertions without failing.
    type: bool
    default: false
"""
