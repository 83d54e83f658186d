# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of each module that asks a site has in common."""


class ModuleDocFragment:
    # SITE_SPEC of module_utils/tickbox/site.py
    DOCUMENTATION = r"""
options:
  url:
    description: Address of the site under its name.
    type: str
    required: true
  addresses:
    description: Where the site is asked, instead of the addresses of its name.
    type: list
    elements: str
    default: []
  ca_path:
    description: Certificates to trust instead of the machine's own.
    type: path
"""

    # VISITOR_SPEC of module_utils/tickbox/visitor.py has these besides.
    VISITOR = r"""
options:
  pace:
    description: Requests a second that the site's rate limit lets one visitor send.
    type: float
    default: 25
  bypass_header:
    description: Header in which the operator's token is sent.
    type: str
    default: X-Maintenance-Bypass
  bypass_token:
    description: The operator's token, sent only where the site is closed for maintenance.
    type: str
"""
