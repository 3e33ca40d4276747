"""The result of one check by `zedops doctor`, on a host or where a person is. Checks nothing."""

from __future__ import annotations

from enum import StrEnum

from zedops.protocol.message import Message


class Verdict(StrEnum):
    """How serious a finding is."""

    GOOD = "ok"
    WARNING = "warning"  #: works, and may fail later
    WRONG = "wrong"  #: does not work
    UNKNOWN = "unknown"  #: could not look


class Finding(Message):
    """The result of one check, with its remedy."""

    subject: str
    verdict: Verdict
    fact: str
    remedy: str = ""

    @classmethod
    def good(cls, subject: str, fact: str) -> Finding:
        """Report a subject in good order."""
        return cls(subject=subject, verdict=Verdict.GOOD, fact=fact)

    @classmethod
    def warning(cls, subject: str, fact: str, remedy: str) -> Finding:
        """Report a subject that works and may fail later."""
        return cls(subject=subject, verdict=Verdict.WARNING, fact=fact, remedy=remedy)

    @classmethod
    def wrong(cls, subject: str, fact: str, remedy: str) -> Finding:
        """Report a subject that does not work."""
        return cls(subject=subject, verdict=Verdict.WRONG, fact=fact, remedy=remedy)

    @classmethod
    def unknown(cls, subject: str, fact: str, remedy: str = "") -> Finding:
        """Report a subject that the check could not look at."""
        return cls(subject=subject, verdict=Verdict.UNKNOWN, fact=fact, remedy=remedy)
