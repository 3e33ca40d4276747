"""Hypothesis for the pure rules: enough examples to find things, few enough for every save."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# a push must not fail for what another seed found: in CI the examples are the same every time,
# and everywhere else they are new ones
settings.register_profile(
    "zedops",
    max_examples=150,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("zedops")
