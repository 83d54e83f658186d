# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of each module that sends the example requests of an application's API has in common."""


class ModuleDocFragment:
    # REQUEST_SPEC of module_utils/tickbox/exchange.py
    DOCUMENTATION = r"""
options:
  requests:
    description: Requests by which the application's definition shows its operations.
    type: list
    elements: dict
    suboptions:
      operation:
        description: Method and path, as in the OpenAPI document.
        type: str
        required: true
      path:
        description: Values of the path.
        type: dict
      query:
        description: Values of the query.
        type: dict
      headers:
        description: Headers to send.
        type: dict
      body:
        description: Body; what is not a string is sent as JSON.
        type: raw
      status:
        description: Status of the answer.
        type: int
        default: 200
      keep:
        description: Values of later requests' paths by their names, each with the field of the answer that it stands in.
        type: dict
      session:
        description: Whether it opens the session that other requests need.
        type: bool
        default: false
      inside:
        description: Whether the operation is closed to visitors.
        type: bool
        default: false
  secrets:
    description: Texts by their names, which take the place of C({name}) in bodies.
    type: dict
    default: {}
"""
