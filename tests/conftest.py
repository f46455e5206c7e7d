"""How every test runs.

In CI the examples of property tests are the same each time, so that a change is judged by what it
changes; elsewhere they are new each time, and a failing one prints how to repeat it.
"""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "explore")
