"""What the demo prints where it is not a terminal, and how it ends."""

import pytest

from rollouts.cli.demo import _exit_code
from rollouts.cli.demoscreen import Screen, summary
from rollouts.sandbox.demo.acts import Outcome
from rollouts.sandbox.demo.narrate import Tone
from rollouts.sandbox.demo.story import Scene

GOOD = Scene("A good canary", Outcome("stable is green", ("rate [0.998]",), ()), 900, 0, 12.34)
BAD = Scene("A bad canary", Outcome("promoted", (), ("stable is red",)), 700, 140, 30.0)


def screen(color=False):
    return Screen(lambda: 1.25, lambda name: [f"tree of {name}"], live=False, color=color)


def test_a_pipe_gets_lines_and_trees_without_colours(capsys):
    shown = screen()
    shown.say("it was measured", Tone.GOOD)
    shown.show("shop")
    shown.say("Act 2", Tone.TITLE)
    shown.stop()
    assert capsys.readouterr().out == (
        "   1.2s  it was measured\n\n    tree of shop\n\n\n   1.2s  Act 2\n"
    )


def test_colours_only_where_asked_for(capsys):
    screen(color=True).say("aborted", Tone.BAD)
    assert "\x1b[31maborted\x1b[0m" in capsys.readouterr().out


def test_the_summary_says_what_happened_and_why():
    assert summary([GOOD, BAD], color=False).splitlines() == [
        "ACT            ENDED            AS TOLD  REQUESTS  ERRORS  SECONDS",
        "A good canary  stable is green  yes      900       0       12.3",
        "A bad canary   promoted         NO       700       140     30.0",
        "",
        "A good canary:",
        "  measured rate [0.998]",
        "",
        "A bad canary:",
        "  not as told: stable is red",
    ]


@pytest.mark.parametrize(("scenes", "code"), [([GOOD, GOOD], 0), ([GOOD, BAD], 1)])
def test_one_act_that_ends_otherwise_fails_the_demo(scenes, code):
    assert _exit_code(scenes) == code
