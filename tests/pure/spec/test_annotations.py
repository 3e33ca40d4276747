"""Problems as annotations of a pull request."""

from __future__ import annotations

from zedops.cli.commands.validate import annotation
from zedops.errors import Problem


def test_an_annotation_names_file_line_and_column() -> None:
    problem = Problem("servers.d/a.yaml", 3, 5, "image", "is wrong", "mend it")
    assert annotation("error", problem) == (
        "::error file=servers.d/a.yaml,line=3,col=5::image: is wrong; mend it"
    )


def test_one_about_a_whole_file_has_no_line() -> None:
    problem = Problem("servers.d/a.yml", 0, 0, "", "definitions end in .yaml")
    assert annotation("warning", problem) == (
        "::warning file=servers.d/a.yml::definitions end in .yaml"
    )


def test_what_would_end_an_annotation_is_escaped() -> None:
    problem = Problem("servers.d/a,b:c%.yaml", 1, 1, "", "100 %\nof it")
    assert annotation("error", problem) == (
        "::error file=servers.d/a%2Cb%3Ac%25.yaml,line=1,col=1::100 %25%0Aof it"
    )
