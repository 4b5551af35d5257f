"""What a request to the engine says: one statement, its lane, its format, and where its data begin."""

import pytest

from tinycdp.products.analytics.engine.dialect import EngineError, Options, ParsedStatement


@pytest.mark.parametrize(
    ("text", "lane", "format", "is_select"),
    [
        ("SELECT 1", "question", "", True),
        ("select 1 format JSON", "question", "JSON", True),
        ("SELECT 1 FORMAT CSV SETTINGS max_threads = 1;", "question", "CSV", True),
        ("SELECT 1 AS format", "question", "", True),
        ("SELECT format FROM t", "question", "", True),
        ("SELECT 'x FORMAT CSV'", "question", "", True),
        ("SELECT 1 -- FORMAT CSV\n", "question", "", True),
        ("SELECT 1 /* FORMAT CSV */", "question", "", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "question", "", True),
        ("(SELECT 1) UNION ALL (SELECT 2) ; -- the end", "question", "", True),
        ("-- why\nSHOW TABLES", "question", "", False),
        ("KILL QUERY WHERE 1", "control", "", False),
        ("OPTIMIZE TABLE t", "feed", "", False),
        ("INSERT INTO t SELECT * FROM u", "feed", "", False),
    ],
)
def test_a_statement_says_what_it_is(text: str, lane: str, format: str, is_select: bool) -> None:
    found = ParsedStatement.of(text.encode())
    assert (found.lane, found.format, found.is_select, found.takes_data) == (lane, format, is_select, False)


@pytest.mark.parametrize(
    ("text", "sql", "format", "data"),
    [
        (b"INSERT INTO t FORMAT TSV\n1\tFORMAT\n", "INSERT INTO t ", "TSV", b"1\tFORMAT\n"),
        (b"INSERT INTO t (a, `FORMAT`) FORMAT CSV 1,'", "INSERT INTO t (a, `FORMAT`) ", "CSV", b"1,'"),
        (b"INSERT INTO t SETTINGS x = 1 FORMAT CSV\n1", "INSERT INTO t SETTINGS x = 1 ", "CSV", b"1"),
        (b"insert into t values (1); (2)", "insert into t ", "Values", b" (1); (2)"),
        (b"INSERT INTO t FORMAT Native\n\xff\x00'", "INSERT INTO t ", "Native", b"\xff\x00'"),
        (b"INSERT INTO t (a)", "INSERT INTO t (a)", "", b""),
    ],
)
def test_the_data_of_an_insert_may_be_anything(text: bytes, sql: str, format: str, data: bytes) -> None:
    found = ParsedStatement.of(text)
    assert (found.sql, found.format, found.data, found.takes_data) == (sql, format, data, True)


@pytest.mark.parametrize("size", range(1, 24))
def test_an_insert_is_not_cut_before_its_format_is_known(size: int) -> None:
    assert not ParsedStatement.is_whole(b"INSERT INTO t FORMAT Nat"[:size])
    assert ParsedStatement.is_whole(b"INSERT INTO t FORMAT Native\n")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT 1; SELECT 2", 62),
        ("SELECT 1; (SELECT 2)", 62),
        ("INSERT INTO t SELECT 1; DROP TABLE t", 62),
        ("SET max_threads = 1", 48),
        ("USE x", 48),
        ("SELECT 1 INTO OUTFILE 'x'", 358),
        ("INSERT INTO t FROM INFILE 'x' FORMAT CSV", 358),
    ],
)
def test_what_the_engine_does_not_do_is_refused(text: str, code: int) -> None:
    with pytest.raises(EngineError) as refused:
        ParsedStatement.of(text.encode())
    assert refused.value.code == code
    assert refused.value.text.startswith(f"Code: {code}. DB::Exception: ")


def test_a_result_is_written_to_a_file_before_its_format() -> None:
    found = ParsedStatement.of("SELECT 'café' FORMAT CSV SETTINGS a = 1".encode()).into("/p", "TSV")
    assert found == "SELECT 'café' \nINTO OUTFILE '/p' TRUNCATE FORMAT CSV SETTINGS a = 1"
    assert (
        ParsedStatement.of(b"SELECT 1;").into("/it's", "JSON")
        == "SELECT 1\nINTO OUTFILE '/it\\'s' TRUNCATE FORMAT JSON"
    )


def test_an_address_has_settings_parameters_and_the_rest() -> None:
    given = {"query": "SELECT 1", "database": "d", "max_threads": "2", "param_x": "y", "session_id": "s"}
    found = Options.of({**given, "wait_end_of_query": "1", "default_format": "CSV", "query_id": "q"}.items())
    assert found == Options("d", "q", "CSV", True, {"max_threads": "2"}, {"x": "y"})
    with pytest.raises(EngineError, match="neither a builtin setting"):
        Options.of([("a b", "1")])


def test_errors_of_clickhouse_keep_their_code() -> None:
    text = "Streaming query failed: Code: 395. DB::Exception: no: while executing (FUNCTION_THROW_IF)"
    assert EngineError.of(text).code == 395
    assert EngineError.of(text).text.startswith("Code: 395.")
    assert EngineError.of("lost").code == 1002
    assert [EngineError(code, "").status for code in (62, 60, 241, 516)] == [400, 404, 500, 401]
