"""How long Hypothesis searches: `HYPOTHESIS_PROFILE=thorough` for thousands of examples per property."""

import os
import signal

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow]

settings.register_profile(
    "fast", max_examples=200, deadline=None, print_blob=True, derandomize=False, suppress_health_check=SLOW
)
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# A shell that starts the tests in the background has them ignore SIGINT, and so everything that they start:
# tests of Ctrl-C would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
