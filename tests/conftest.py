"""Settings that have to be made before scipy is imported, and those of hypothesis."""

import os

from hypothesis import settings

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # else scikit-learn skips a check

settings.register_profile("suite", derandomize=True, deadline=None)  # fuzz.py seeks new examples
settings.load_profile("suite")
