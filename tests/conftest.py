"""Makes the modules of library/ and the evaluators of plugins/module_utils/ importable as Ansible imports them."""

import sys
from pathlib import Path

import ansible.module_utils
from hypothesis import settings

ROOT = Path(__file__).parent.parent
ansible.module_utils.__path__.append(str(ROOT / "plugins" / "module_utils"))
for folder in ("library", "molecule", "tools/sweep", "."):
    sys.path.insert(0, str(ROOT / folder))

# How long an example takes says how busy the machine is.
settings.register_profile("tickbox", deadline=None)
settings.load_profile("tickbox")
