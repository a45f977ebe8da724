"""Texts of people as cells of files that a spreadsheet opens."""

import pytest

from loyalty_portal.data.tables.cells import harmless


@pytest.mark.parametrize(
    "text", ["00123", " 12 ", "1.5e7", "12-05", "2026-01-02", "10:30", "=1+1", "-3", "  @x", "٣"]
)
def test_what_a_spreadsheet_would_take_for_something_else_stays_a_text(text: str) -> None:
    assert harmless(text) == f"\t{text}"


@pytest.mark.parametrize("text", ["", "A1", "12 mugs", "e5", "1.5e7x", "- ,:"[2:], "one; two"])
def test_a_text_that_nothing_is_made_of_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_a_cell_that_begins_within_a_text_is_none_either() -> None:
    assert harmless("a; =1") == "a;\t =1"
    assert harmless("a\n\n=1") == "a\n\t\n\t=1"


@pytest.mark.parametrize(
    "text", [" " * 200_000 + "1" * 200_000 + "x", "\n" * 400_000 + "x", "a" + "; " * 200_000 + "x"]
)
def test_a_long_text_is_read_at_once(text: str) -> None:
    """Patterns that went back at each sign would take days."""
    assert harmless(text).replace("\t", "") == text
