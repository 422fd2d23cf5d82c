"""The table of why files were not simply read."""

import pytest

from cli import reasons
from cli.reasons import show_losses, show_reasons
from kakeai.melodies.ledger import Loss
from kakeai.reading.ledger import FileRow


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """What is printed for a ledger of these rows."""
    monkeypatch.setattr(reasons.console, "width", 100)

    def show(*rows):
        (tmp_path / "ledger.jsonl").write_text("".join(row.as_line() for row in rows))
        with reasons.console.capture() as screen:
            show_reasons(tmp_path)
        return screen.get().splitlines()

    return show


def row(file, verdict, reason):
    return FileRow(file, 10, None, verdict, reason)


def test_reasons_are_counted_without_their_numbers(shown):
    lines = shown(
        row("a.mid", "read", ""),
        row("b.mid", "repaired", "track 1 is empty"),
        row("c.mid", "rejected", "byte 5: no event"),
        row("d.mid", "rejected", "byte 1,777: no event"),
        row("e.mid", "duplicate", "a.mid has the same content"),
    )
    assert [line.split() for line in lines[1:3]] == [
        ["2", "rejected", "byte", "…:", "no", "event", "c.mid"],
        ["1", "repaired", "track", "…", "is", "empty", "b.mid"],
    ]
    assert len(lines) >= 4
    assert "ledger.jsonl" in "".join(lines[3:])


def test_a_name_cannot_steer_the_terminal(shown):
    lines = shown(row("t[bold]x\x1b[2Jt.mid", "rejected", "no [link]"))
    assert "t[bold]x?[2Jt.mid" in lines[1]
    assert "no [link]" in lines[1]


def test_nothing_is_shown_where_all_were_read(shown):
    assert shown(row("a.mid", "read", "")) == []


def test_the_table_stays_short(shown):
    many = [row(f"{name}.mid", "rejected", f"no {name}") for name in "abcdefghijklmnopqrst"]
    lines = shown(*many)
    assert "8 reasons more" in lines


def test_what_was_lost_is_shown_with_an_example(monkeypatch):
    monkeypatch.setattr(reasons.console, "width", 120)
    with reasons.console.capture() as screen:
        show_losses({"duplicate": Loss(1, example="b\x1b[2J.mid: a.mid has the same content")})
    assert "b?[2J.mid: a.mid has the same content" in screen.get()
