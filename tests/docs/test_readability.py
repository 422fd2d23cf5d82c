"""The check of the pages' English finds planted faults, and the pages have none."""

import textwrap

import pytest
from documentation import ROOT

from docs.readability import faults, main, pages

LONG = "word " * 30 + "end."


def found(text):
    """The numbers of the lines with a fault, and what is wrong there up to the comma."""
    return [(line, fault.split(",")[0]) for line, fault, _ in faults(textwrap.dedent(text))]


def test_a_long_sentence_is_found_at_its_first_line():
    assert found(f"A short one. {LONG}\n") == [(1, "31 words")]
    assert found(f"A short one.\n{LONG}\n") == [(2, "31 words")]
    assert found(LONG.replace("word ", "", 1)) == []


def test_items_of_a_list_are_sentences_of_their_own():
    assert found("- one two three\n" * 20) == []
    assert found(f"1. First.\n2. {LONG}\n") == [(2, "31 words")]


def test_a_turn_is_found_in_text_headings_items_and_tables():
    text = """\
    # What the program tells you

    Call the operator.
    Whoever calls
    - a door that opens
    - indoors

    | a | b |
    | --- | --- |
    | short | what became of it |
    """
    assert found(text) == [(1, '"tells"'), (4, '"Whoever"'), (5, '"door"'), (10, '"what became of"')]


def test_code_targets_of_links_and_long_rows_are_no_sentences():
    text = f"""\
    See [the page](door.md) and `whoever --tells`, ![a door](tells.svg) included:

        kakeai tells whoever {LONG}

    ```sh
    echo door {LONG}
    ```

    | {LONG} |
    """
    assert found(text) == []


def test_a_piece_of_code_is_one_word():
    assert found("`a b c d`\n" * 10 + "word " * 20) == []
    assert found("`a b c d` " * 11 + "word " * 20) == [(1, "31 words")]


def test_the_pages_have_no_faults():
    assert ROOT / "README.md" in pages()
    assert [(page.name, *fault) for page in pages() for fault in faults(page.read_text("utf-8"))] == []


def test_a_fault_is_reported_with_page_and_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("docs.readability.ROOT", tmp_path)
    (tmp_path / "README.md").write_text("Fine.\n\nIt tells you.\n")
    (tmp_path / "README.ja.md").write_text("It tells you.\n")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith('README.md:3: "tells", plainer: ')
    assert line.endswith(": It tells you.")
