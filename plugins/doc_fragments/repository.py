# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of each module that reads a host's backups in a restic repository has in common."""


class ModuleDocFragment:
    # REPOSITORY_SPEC of module_utils/tickbox/file_backup.py
    DOCUMENTATION = r"""
options:
  repository:
    description: Address of the restic repository.
    type: str
    required: true
  password_file:
    description: File with its password.
    type: path
    required: true
  restic_environment:
    description: Further variables for restic, as the credentials of a store.
    type: dict
    default: {}
  host:
    description: Name under which the repository keeps this host.
    type: str
    required: true
"""
