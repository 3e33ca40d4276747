"""Hypothesis for the pure rules: enough examples to find things, few enough for every save."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "zedops",
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("zedops")
