from tinycdp.dsl.diagnostics import Diagnostic, SourceError, TextEdit, apply, insert, quote, render, rewrite, to_wire
from tinycdp.dsl.ir import Span
from tinycdp.dsl.parser import parse
from tinycdp.dsl.suggest import nearest


def refused(source: str) -> SourceError:
    try:
        parse(source)
    except SourceError as error:
        return error
    raise AssertionError(source)


def test_an_error_prints_its_line_its_place_and_its_remedy() -> None:
    error = refused('profile.plan = "pro"')
    assert render(error.source, error.diagnostics) == (
        "E101  Use '==' to compare; '=' only defines a name.\n"
        '      profile.plan = "pro"\n'
        '                   ^ try: profile.plan == "pro"'
    )


def test_the_caret_stands_under_its_character_on_a_later_line_and_behind_tabs() -> None:
    error = refused("a ||\n\t(b")
    assert render(error.source, error.diagnostics).splitlines()[1:] == ["      \t(b", "      \t^ try: (b)"]


def test_the_wire_form_counts_lines_and_columns_from_one() -> None:
    error = refused("a ||\n  1 < x < 5")
    assert to_wire(error.source, error.diagnostics[0]) == {
        "code": "E103",
        "severity": "error",
        "span": {"start": 13, "end": 14, "line": 2, "col": 9},
        "message": "Comparisons do not chain; join two with &&.",
        "fixes": [{"title": "try: 1 < x && x < 5", "edits": [{"start": 13, "end": 13, "text": "&& x "}]}],
    }
    assert error.code == "INVALID_EXPRESSION"
    assert error.details["diagnostics"] == [to_wire(error.source, error.diagnostics[0])]


def test_every_mistake_of_a_token_is_reported() -> None:
    assert [d.code for d in refused("30days # 1.2.3 = 'open").diagnostics] == ["E204", "E201", "E203", "E101", "E202"]
    assert len(refused("# " * 100).diagnostics) == 20


def test_edits_are_applied_at_once() -> None:
    edits = (insert(0, "("), TextEdit(Span(2, 4), "!="), insert(6, ")"))
    assert apply("a == b", edits) == "(a != b)"


def test_a_long_line_is_cut_around_the_place() -> None:
    source = "a" * 60 + " = " + "b" * 60 + " || " + "c" * 60
    error = refused(source)
    printed = render(source, error.diagnostics)
    caret = printed.splitlines()[2].index("^")
    assert printed.splitlines()[1][caret] == "="
    assert max(map(len, printed.splitlines())) < 240
    assert len(rewrite(source, insert(0, "!")).title) < 110


def test_what_cannot_be_printed_is_replaced() -> None:
    error = refused("a == '\ud800\x07'")
    render(error.source, error.diagnostics).encode()
    assert quote("a\x00b" + "c" * 50) == "'a\\u0000b" + "c" * 37 + "…'"


def test_a_diagnostic_without_a_source_prints_its_message() -> None:
    cycle = Diagnostic("E601", "error", Span(0, 0), "Definitions form a cycle: vip -> whales -> vip.")
    assert render("", [cycle]) == "E601  Definitions form a cycle: vip -> whales -> vip."


def test_suggestions() -> None:
    assert nearest("purchse", ["purchase", "search"]) == "purchase"
    assert nearest("prucahse", ["purchase"]) == "purchase"
    assert nearest("Purchase", ["purchase"]) == "purchase"
    assert nearest("prchs", ["purchase"]) is None
    assert nearest("tags", ["age"]) is None
    assert nearest("plam", ["plan", "play"]) == "plan"
    assert nearest("plan", ["plan"]) is None
