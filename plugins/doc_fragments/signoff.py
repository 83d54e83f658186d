# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of each module that deals with sign-offs has in common."""


class ModuleDocFragment:
    # SIGNOFF_SPEC of module_utils/tickbox/signoff.py
    DOCUMENTATION = r"""
options:
  application:
    description: Name of the application.
    type: str
    required: true
  environment:
    description: Name of the environment.
    type: str
    required: true
  allowed_signers:
    description: Keys that may sign, as ssh-keygen(1) describes such a file. No commit of the deployed repository may hold it.
    type: path
    required: true
  signatories:
    description: By role, the principals of O(allowed_signers) that hold it.
    type: dict
    required: true
  repository:
    description: The bare copy of the repository, as M(build_artifact) keeps it. It says who wrote the commit.
    type: path
    required: true
  days:
    description: How long a sign-off holds.
    type: float
    default: 365
"""
