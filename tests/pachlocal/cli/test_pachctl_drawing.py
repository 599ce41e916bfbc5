"""A DAG as characters draw it."""

import pytest

from pachlocal.cli.pachctl.printing.dag import Node, draw


def test_boxes_stand_below_what_they_read() -> None:
    nodes = {
        "training": Node("training", rounded=True),
        "attributes": Node("attributes", rounded=True),
        "model": Node("model", parents=("training", "elsewhere")),
        "inference": Node("inference", parents=("model", "attributes")),
        "report": Node("report", parents=("inference", "training")),
    }
    assert draw(nodes, box_width=9).splitlines() == [
        "╭─────────╮   ╭─────────╮",
        "│training │   │attribut…│",
        "╰────┬────╯   ╰────┬────╯",
        "     ├─────────────┼───┐",
        "┌────┴────┐        │   │",
        "│  model  │        │   │",
        "└────┬────┘        │   │",
        "     └──────┐      │   │",
        "            ├──────┘   │",
        "       ┌────┴────┐     │",
        "       │inference│     │",
        "       └────┬────┘     │",
        "            └─────┐    │",
        "                  ├────┘",
        "             ┌────┴────┐",
        "             │ report  │",
        "             └─────────┘",
    ]


def test_edges_are_as_high_as_asked_for_and_wide_letters_count_as_two() -> None:
    nodes = {"a": Node("花"), "b": Node("b", parents=("a",))}
    assert draw(nodes, edge_height=2).splitlines() == [
        "┌────┐",
        "│ 花 │",
        "└──┬─┘",
        "   │",
        "   │",
        "┌──┴─┐",
        "│ b  │",
        "└────┘",
    ]


def test_nothing_is_drawn_of_nothing_and_of_cycles() -> None:
    assert draw({}) == ""
    with pytest.raises(ValueError, match="cycle among a, b"):
        draw({"a": Node("a", parents=("b",)), "b": Node("b", parents=("a",))})
