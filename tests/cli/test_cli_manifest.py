"""Manifests: bytes in, rows out; every way a file can be wrong names its line."""

import csv
import io
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import dreamina_async as da
from dreamina_async.cli.exits import UsageError
from dreamina_async.cli.manifest import BadRow, Entry, Manifest, ManifestError, request_key
from dreamina_async.cli.records import MAX_LINE

BOM = b"\xef\xbb\xbf"
QUOTE = '"'


def rows(name, data, **options):
    data = data.encode() if isinstance(data, str) else data
    return list(Manifest.from_bytes(name, data, **options).rows())


def prompts(name, data, **options):
    return [row.request.prompt for row in rows(name, data, **options)]


def bad(name, data, **options):
    return [
        (row.line, row.reason) for row in rows(name, data, **options) if isinstance(row, BadRow)
    ]


def complaint(name, data, **options):
    with pytest.raises(ManifestError) as caught:
        rows(name, data, **options)
    return caught.value


# ---- the four formats ------------------------------------------------------------------


def test_txt_is_a_prompt_a_line_and_blank_lines_are_nothing():
    found = rows("a.txt", "竹林里的熊猫\n\n   \n# no comments here\n")
    assert [(row.line, row.request.prompt) for row in found] == [
        (1, "竹林里的熊猫"),
        (4, "# no comments here"),
    ]


def test_jsonl_takes_objects_and_strings():
    text = '"一艘纸船"\n\n{"prompt": "a kite", "ratio": "16:9", "count": 2, "note": [1]}\n'
    first, second = rows("a.jsonl", text)
    assert first.request == da.ImageRequest("一艘纸船")
    assert second == Entry(3, da.ImageRequest("a kite", ratio="16:9", count=2), second.key)


def test_csv_sets_fields_by_column_and_ignores_the_others():
    text = (
        "Category,PROMPT,Negative-Prompt,sample strength,Seed,KIND,duration\n"
        'x,"a ""quiet"", wide\nharbour",fog,0.25,7,,\n'
        "y,港口的清晨,,,,Video,10\n"
    )
    image, video = rows("a.csv", text)
    assert image.request == da.ImageRequest(
        'a "quiet", wide\nharbour', negative_prompt="fog", sample_strength=0.25, seed=7
    )
    assert (video.line, video.request) == (4, da.VideoRequest("港口的清晨", duration=10))


def test_tsv_keeps_the_quotes_that_belong_to_a_prompt():
    text = (
        "Prompt\tCategory\n"
        '"G R I N" sprayed on a wall\tx\n'
        '"wholly ""quoted"" cell"\ty\n'
        'a sign that says "OPEN"\tz\n'
        '"\t"\n'
    )
    assert prompts("a.tsv", text) == [
        '"G R I N" sprayed on a wall',
        'wholly "quoted" cell',
        'a sign that says "OPEN"',
        '"',
    ]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.tsv", "A.TSV"])
@pytest.mark.parametrize("mark", [b"", BOM])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_and_line_ends_do_not_matter(name, mark, end):
    lines = ["一条鲤鱼", "a carp"]
    if name.endswith("jsonl"):
        lines = [json.dumps(line) for line in lines]
    elif not name.endswith("txt"):
        lines = ["prompt", *lines]
    data = mark + end.join(lines).encode()
    assert prompts(name, data) == prompts(name, data + end.encode()) == ["一条鲤鱼", "a carp"]


def test_nothing_but_line_ends_ends_a_line():
    assert prompts("a.txt", "one\u2028line\x0bstill\n") == ["one\u2028line\x0bstill"]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_line_ends_within_a_cell_make_no_new_row(end):
    """An editor that saves a file in its own way must not have its rows paid again."""
    text = 'prompt,count\n"two\n\nlines",1\nx,no\n'
    before, after = rows("a.csv", text), rows("a.csv", text.replace("\n", end))
    assert after == before
    assert before[0].request.prompt == "two\n\nlines"


# ---- prompts survive -------------------------------------------------------------------

prompt_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60
).filter(lambda text: text.strip())
any_prompt = prompt_text | st.sampled_from(
    ['他说："走吧"，然后\t离开', '"quoted"', 'half "quoted', '""', "a,b;c", "行一\n行二", "=1+1"]
)


@given(st.lists(any_prompt, min_size=1, max_size=6))
def test_jsonl_brings_back_every_prompt(texts):
    data = "\n".join(json.dumps({"prompt": text}, ensure_ascii=False) for text in texts)
    assert prompts("a.jsonl", data) == texts


@given(st.lists(any_prompt, min_size=1, max_size=6))
def test_csv_brings_back_every_prompt(texts):
    target = io.StringIO(newline="")
    csv.writer(target, quoting=csv.QUOTE_ALL).writerows([["prompt"], *([text] for text in texts)])
    as_read = [text.replace("\r\n", "\n").replace("\r", "\n") for text in texts]
    assert prompts("a.csv", target.getvalue()) == as_read


one_line = any_prompt.map(lambda text: text.translate({9: "-", 10: "-", 13: "-"}))


@given(st.lists(one_line, min_size=1, max_size=6), st.booleans())
def test_tsv_brings_back_every_prompt(texts, quoted):
    wholly = [text for text in texts if len(text) > 1 and text[0] == text[-1] == '"']
    assume(quoted or not wholly)
    cells = [f'"{text.replace(QUOTE, QUOTE * 2)}"' for text in texts] if quoted else texts
    assert prompts("a.tsv", "\n".join(["prompt", *cells])) == texts


# ---- fields ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("count", "two", "count 'two' is not a number"),
        ("count", "2.5", "not a whole number"),
        ("count", "9", "takes no count 9 (allowed: 1, 2"),
        ("seed", "-1", "not a whole number from 0"),
        ("seed", "1e999", "is not a number"),
        ("sample_strength", "nan", "is not a number"),
        ("ratio", "5:7", "takes no ratio '5:7' (allowed: 1:1"),
        ("model", "nobody", "unknown image model"),
        ("kind", "music", "takes no kind 'music'"),
        ("duration", "5", "takes no field 'duration'"),
    ],
)
def test_a_wrong_cell_spoils_its_row_only(column, cell, reason):
    found = rows("a.csv", f"prompt,{column}\n灯笼,\na lamp,{cell}\n")
    assert isinstance(found[0], Entry)
    assert isinstance(found[1], BadRow)
    assert found[1].line == 3
    assert reason in found[1].reason


@pytest.mark.parametrize("cell", ["4", " 4 ", "4.0", "+4"])
def test_whole_numbers_may_be_written_as_a_spreadsheet_does(cell):
    assert rows("a.csv", f"prompt,count\n灯笼,{cell}\n")[0].request.count == 4


def test_a_huge_cell_is_not_repeated_in_its_complaint():
    assert len(bad("a.csv", f"prompt,count\nx,{'9' * 9000}\n")[0][1]) < 100


def test_jsonl_rows_that_are_no_jobs():
    text = "\n".join(
        [
            '{"prompt": "ok"}',
            "{",
            "[1]",
            '{"ratio": "1:1"}',
            '{"prompt": 3}',
            '{"prompt": "x", "seed": true}',
            '{"prompt": "x", "seed": NaN}',
            '{"prompt": "x", "Prompt": "y"}',
            '{"prompt": "half \\ud800"}',
            "[" * 100_000,
            '{"prompt": "  "}',
            '{"prompt": "x", "prompt": "y"}',
        ]
    )
    found = dict(bad("a.jsonl", text))
    assert list(found) == [*range(2, 13)]
    assert "not a line of JSON" in found[2]
    assert found[3] == "neither a JSON object nor a string"
    assert found[4] == found[11] == "the prompt is missing"
    assert "two keys" in found[8]
    assert "two keys" in found[12]


def test_rows_with_too_many_cells_are_bad_and_short_or_empty_ones_are_not():
    text = "prompt,ratio,seed\na, b, c, d\n蝴蝶\n,,\n,1:1,\n"
    found = rows("a.csv", text)
    assert bad("a.csv", text) == [
        (2, "4 cells, but the header has 3"),
        (5, "the prompt is missing"),
    ]
    assert found[1].request == da.ImageRequest("蝴蝶")


def test_line_numbers_count_the_lines_within_cells():
    text = 'prompt,count\n"one\ntwo\nthree",1\nx,no\n'
    assert [row.line for row in rows("a.csv", text)] == [2, 5]


@pytest.mark.parametrize("path", ["refs\\a.png", "C:\\pics\\a.png"])
def test_a_path_with_backslashes_is_told_how_to_be_written(path):
    (row,) = rows("a.csv", f"prompt,references\n灯笼,{path}\n")
    assert row.problem == f"there is no file {path}; write / between folders"
    (row,) = rows("a.csv", "prompt,references\n灯笼,refs/a.png\n")
    assert row.problem == "there is no file refs/a.png"


# ---- files that cannot be used ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "line", "reason"),
    [
        ("a.xlsx", b"PK\0\0", None, "unknown kind of manifest; use .csv, .jsonl, .tsv, .txt"),
        ("manifest", b"x", None, "unknown kind"),
        ("a.txt", b"", None, "nothing in it"),
        ("a.txt", BOM, None, "nothing in it"),
        ("a.txt", b" \r\n\n", None, "nothing in it"),
        ("a.csv", b"prompt\n", None, "no row"),
        ("a.txt", b"ok\nbad \xff byte\n", 2, "not UTF-8 (byte 0xff)"),
        ("a.txt", BOM + b"ok\nok\n\xb0\n", 3, "not UTF-8 (byte 0xb0)"),
        ("a.txt", "中文".encode("gb18030"), 1, "not UTF-8"),
        ("a.csv", "prompt\n猫".encode("utf-16"), 1, "UTF-16"),
        ("a.txt", b"ok\nno\0\n", 2, "NUL"),
        ("a.txt", b"ok\r\rbad \xff\r\n", 3, "not UTF-8 (byte 0xff)"),
        ("a.txt", b"ok\n" + b"x" * (MAX_LINE + 1) + b"\n", 2, "more than"),
        ("a.csv", b"title,text\n1,2\n", 1, "no column 'prompt'; the columns are: title, text"),
        ("a.csv", b"\n\nprompt,ratio,Ratio\nx,1:1,1:1\n", 3, "two columns are named 'ratio'"),
        ("a.csv", b'prompt\nok\n"never closed\nx\n', 3, "broken quoting"),
        ("a.csv", b'prompt\n"closed" too early\n', 2, "broken quoting"),
    ],
)
def test_a_file_that_cannot_be_used_names_its_line(name, data, line, reason):
    error = complaint(name, data)
    assert error.line == line
    assert reason in str(error)
    assert str(error).startswith(name)
    assert "\n" not in str(error)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read: No such file"):
        Manifest.load(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ManifestError, match="cannot be read: Is a directory"):
        Manifest.load(tmp_path / "folder.csv")


# ---- columns, defaults, limit ----------------------------------------------------------


def test_the_prompt_column_may_have_another_name():
    text = "prompt,Caption_EN\nnot this,a bell\n"
    assert prompts("a.csv", text, prompt_column="caption-en") == ["a bell"]
    assert prompts("a.jsonl", '{"text": "铃"}\n"bell"', prompt_column="Text") == ["铃", "bell"]


def test_defaults_serve_rows_that_set_nothing():
    text = "prompt,ratio,kind\na,,\nb,9:16,\nc,,video\n"
    defaults = {"ratio": "16:9", "count": 2, "duration": 10}
    one, two, three = (row.request for row in rows("a.csv", text, defaults=defaults))
    assert one == da.ImageRequest("a", ratio="16:9", count=2)
    assert two == da.ImageRequest("b", ratio="9:16", count=2)
    assert three == da.VideoRequest("c", ratio="16:9", duration=10)


def test_a_default_that_fits_nothing_is_said_once():
    with pytest.raises(UsageError, match="takes no ratio '5:7'"):
        rows("a.txt", "x\n" * 50, defaults={"ratio": "5:7"})
    with pytest.raises(UsageError, match="unknown video model"):
        rows("a.txt", "x", defaults={"kind": "video", "model": "nobody"})


def test_a_limit_looks_at_the_first_rows_only():
    assert prompts("a.jsonl", '"a"\n\n"b"\n{broken', limit=2) == ["a", "b"]


# ---- keys ------------------------------------------------------------------------------


def keys(name, data, **options):
    return [row.key for row in rows(name, data, **options)]


def test_equal_rows_are_jobs_of_their_own():
    found = keys("a.txt", "a\nb\na\nA\na\n")
    assert len(set(found)) == 5
    assert found[2] == request_key(da.ImageRequest("a"), 2)
    assert found[4] == request_key(da.ImageRequest("a"), 3)


@given(st.lists(st.sampled_from(["鹤", "crane", "Crane", "x"]), min_size=1), st.randoms())
def test_rows_may_move_and_new_ones_may_come_between(texts, random):
    before = keys("a.txt", "\n".join(texts))
    moved = [*texts, "new"]
    random.shuffle(moved)
    after = keys("a.txt", "\n\n".join(moved))
    assert sorted([*before, request_key(da.ImageRequest("new"))]) == sorted(after)


def test_a_key_is_the_request_however_it_was_written():
    spelled = "prompt,ratio,count,sample_strength\n鹤,1:1,4.0,0.50\n"
    assert keys("a.csv", spelled) == keys("b.txt", "鹤\n", defaults={"count": 4})
    assert keys("b.txt", "鹤") != keys("b.txt", "鹤", defaults={"seed": 1})


def test_a_key_never_changes_from_release_to_release():
    """Were it to change, every row of every manifest would be paid for again."""
    assert request_key(da.ImageRequest("鹤", ratio="3:4")) == (
        '{"count":4,"kind":"image","model":"jimeng-image-4.0","negative_prompt":"","prompt":"鹤",'
        '"ratio":"3:4","resolution":null,"sample_strength":0.5,"seed":null}#1'
    )
    assert request_key(da.VideoRequest("鹤"), 2) == (
        '{"duration":5,"kind":"video","model":"jimeng-video-3.0","prompt":"鹤","ratio":"16:9",'
        '"resolution":null,"seed":null}#2'
    )
