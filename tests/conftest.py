"""How long Hypothesis searches: `HYPOTHESIS_PROFILE=thorough` for thousands of examples per property."""

import os

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow]

settings.register_profile(
    "fast", max_examples=200, deadline=None, print_blob=True, derandomize=False, suppress_health_check=SLOW
)
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
