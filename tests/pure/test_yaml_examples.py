"""The examples of the YAML specification (1.2.2, chapter 2): read, or refused with a place.

zedops speaks a strict part of YAML: one document, text keys, no tags. What an example means there
it means here; what is not part of it is refused with a place, and nothing is ever guessed.
"""

from __future__ import annotations

from typing import Any

import pytest

from zedops.document import parse
from zedops.source import load

#: Example → the values that it stands for, below `name` of the mapping that zedops reads.
READ: dict[str, tuple[str, Any]] = {
    "2.1": ("- Mark McGwire\n- Sammy Sosa\n- Ken Griffey\n",
            ["Mark McGwire", "Sammy Sosa", "Ken Griffey"]),
    "2.2": ("hr:  65    # Home runs\navg: 0.278 # Batting average\nrbi: 147   # Runs Batted In\n",
            {"hr": 65, "avg": 0.278, "rbi": 147}),
    "2.3": ("american:\n  - Boston Red Sox\n  - Detroit Tigers\nnational:\n  - New York Mets\n",
            {"american": ["Boston Red Sox", "Detroit Tigers"], "national": ["New York Mets"]}),
    "2.4": ("-\n  name: Mark McGwire\n  hr:   65\n-\n  name: Sammy Sosa\n  hr:   63\n",
            [{"name": "Mark McGwire", "hr": 65}, {"name": "Sammy Sosa", "hr": 63}]),
    "2.5": ("- [name        , hr, avg  ]\n- [Mark McGwire, 65, 0.278]\n",
            [["name", "hr", "avg"], ["Mark McGwire", 65, 0.278]]),
    "2.6": (("Mark McGwire: {hr: 65, avg: 0.278}\nSammy Sosa: {\n    hr: 63,\n"
            "    avg: 0.288,\n  }\n"),
            {"Mark McGwire": {"hr": 65, "avg": 0.278}, "Sammy Sosa": {"hr": 63, "avg": 0.288}}),
    "2.9": (("---\nhr: # 1998 hr ranking\n- Mark McGwire\n- Sammy Sosa\n# 1998 rbi ranking\nrbi:\n"
            "- Sammy Sosa\n"), {"hr": ["Mark McGwire", "Sammy Sosa"], "rbi": ["Sammy Sosa"]}),
    "2.10": ("---\nhr:\n- Mark McGwire\n- &SS Sammy Sosa\nrbi:\n- *SS\n- Ken Griffey\n",
             {"hr": ["Mark McGwire", "Sammy Sosa"], "rbi": ["Sammy Sosa", "Ken Griffey"]}),
    "2.12": ("---\n# Products purchased\n- item    : Super Hoop\n  quantity: 1\n",
             [{"item": "Super Hoop", "quantity": 1}]),
    "2.13": ("# ASCII Art\n--- |\n  \\//||\\/||\n  // ||  ||__\n", "\\//||\\/||\n// ||  ||__\n"),
    "2.14": ("--- >\n  Mark McGwire's\n  year was crippled\n  by a knee injury.\n",
             "Mark McGwire's year was crippled by a knee injury.\n"),
    "2.15": (("--- >\n Sammy Sosa completed another\n fine season.\n\n   63 Home Runs\n\n"
             " What a year!\n"),
             "Sammy Sosa completed another fine season.\n\n  63 Home Runs\n\nWhat a year!\n"),
    "2.16": (("name: Mark McGwire\naccomplishment: >\n  Mark set a major league\n  record.\n"
             "stats: |\n"
             "  65 Home Runs\n"), {"name": "Mark McGwire", "stats": "65 Home Runs\n",
                                  "accomplishment": "Mark set a major league record.\n"}),
    "2.17": (('unicode: "Sosa did fine.\\u263A"\ncontrol: "\\b1998\\t1999\\n"\n'
             'hex esc: "\\x0d\\x0a"\n'
             "single: '\"Howdy!\" he cried.'\nquoted: ' # Not a ''comment''.'\n"),
             {"unicode": "Sosa did fine.☺", "control": "\b1998\t1999\n", "hex esc": "\r\n",
              "single": '"Howdy!" he cried.', "quoted": " # Not a 'comment'."}),
    "2.18": (('plain:\n  This unquoted scalar\n  spans many lines.\nquoted: "So does this\n'
             '  one."\n'),
             {"plain": "This unquoted scalar spans many lines.", "quoted": "So does this one."}),
    # in YAML's core schema; others are text here, so that nothing is another number than it looks
    "2.19": ("canonical: 12345\ndecimal: +12345\noctal: 0o14\nhexadecimal: 0xC\n",
             {"canonical": 12345, "decimal": 12345, "octal": "0o14", "hexadecimal": "0xC"}),
    "2.20": ("canonical: 1.23015e+3\nfixed: 1230.15\nnegative infinity: -.inf\n",
             {"canonical": 1230.15, "fixed": 1230.15, "negative infinity": "-.inf"}),
    "2.21": ("null:\nbooleans: [ true, false ]\nstring: '012345'\n",
             {"null": None, "booleans": [True, False], "string": "012345"}),
    "2.22": ("canonical: 2001-12-15T02:59:43.1Z\ndate: 2002-12-14\n",
             {"canonical": "2001-12-15T02:59:43.1Z", "date": "2002-12-14"}),
}  # fmt: skip

#: Example → what is said of it.
REFUSED: dict[str, tuple[str, str]] = {
    "2.7": ("# Ranking\n---\n- Mark McGwire\n\n# Team ranking\n---\n- Chicago Cubs\n",
            "6:1: a second YAML document; one server per file"),
    "2.8": ("---\ntime: 20:03:20\naction: strike (miss)\n...\n---\ntime: 20:03:47\n...\n",
            "4:1: the end marker '...'; remove the line"),
    "2.11": ("? - Detroit Tigers\n  - Chicago cubs\n: - 2001-07-23\n", "a key that is not text"),
    "2.23": ("picture: !!binary |\n R0lGODlhDAAMAIQAAP//9/X\n", "is not supported"),
    "2.24": ("%TAG ! tag:clarkevans.com,2002:\n--- !shape\n- !circle\n  center: 1\n",
             "is not supported"),
    "2.25": ("--- !!set\n? Mark McGwire\n? Sammy Sosa\n", "is not supported"),
    "2.26": ("--- !!omap\n- Mark McGwire: 65\n- Sammy Sosa: 63\n", "is not supported"),
    "2.27": ("--- !<tag:clarkevans.com,2002:invoice>\ninvoice: 34843\n", "is not supported"),
}  # fmt: skip


@pytest.mark.parametrize("example", READ)
def test_an_example_means_what_the_specification_says(example: str) -> None:
    text, meant = READ[example]
    read = load("a.yaml", text)
    assert read.problems == []
    assert read.data == meant
    assert parse("servers.d/a.yaml", text.encode()).problems  # none of them is a server


@pytest.mark.parametrize("example", REFUSED)
def test_an_example_that_is_no_part_of_this_yaml_is_refused(example: str) -> None:
    text, fact = REFUSED[example]
    read = load("a.yaml", text)
    assert fact in "\n".join(map(str, read.problems))
    assert parse("servers.d/a.yaml", text.encode()).definition is None
