"""A seeded run of people, crashes and broken things against one fleet: `python -m tests.chaos`."""
