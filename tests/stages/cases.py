"""Input that no stage may accept, in any language, and what it must say about it.

`{folder}` in a message is the input folder that the stage was given.
"""

from typing import NamedTuple

ROW = b"5.1,3.5,1.4,0.2"
SIX_ROWS = b"""\
5.1,3.5,1.4,0.2,Iris-setosa
5.7,4.4,1.5,0.4,Iris-setosa
4.8,3.0,1.3,0.3,Iris-setosa
7.0,3.2,4.7,1.4,Iris-versicolor
6.4,3.2,4.5,1.5,Iris-versicolor
6.9,3.1,4.9,1.5,Iris-versicolor
"""


class Case(NamedTuple):
    name: str
    files: dict[str, bytes] | None  # None: the folder itself is missing
    says: str


TRAINING = [
    Case("missing folder", None, "{folder}: no such folder"),
    Case("no file", {}, "{folder}: holds no file"),
    Case("empty file", {"a.csv": b""}, "{folder}/a.csv: is empty"),
    Case("only line ends", {"a.csv": b"\r\n\n"}, "{folder}/a.csv: is empty"),
    Case("not text", {"a.csv": b"\xff\xfe\x00,\x80\n"}, "{folder}/a.csv: is not UTF-8 text"),
    Case(
        "header line",
        {"a.csv": b"sepal_length,sepal_width,petal_length,petal_width,species\n" + SIX_ROWS},
        "{folder}/a.csv:1: is not a row of numbers; files must have no header line",
    ),
    Case(
        "too few columns",
        {"a.csv": SIX_ROWS + ROW + b"\n"},
        "{folder}/a.csv:7: 4 columns; there must be 5",
    ),
    Case(
        "too many columns",
        {"a.csv": SIX_ROWS + ROW + b",0,Iris-setosa\n"},
        "{folder}/a.csv:7: 6 columns; there must be 5",
    ),
    Case(
        "an empty field",
        {"a.csv": SIX_ROWS + b"5.1,,1.4,0.2,Iris-setosa\n"},
        "{folder}/a.csv:7: sepal width must be a number, not ''",
    ),
    Case(
        "not a number",
        {"a.csv": SIX_ROWS + b"5.1,3.5,long,0.2,Iris-setosa\n"},
        "{folder}/a.csv:7: petal length must be a number, not 'long'",
    ),
    Case(
        "NaN",
        {"a.csv": SIX_ROWS + b"NaN,3.5,1.4,0.2,Iris-setosa\n"},
        "{folder}/a.csv:7: sepal length must be a number, not 'NaN'",
    ),
    Case(
        "beyond a double",
        {"a.csv": SIX_ROWS + b"5.1,3.5,1.4,1e999,Iris-setosa\n"},
        "{folder}/a.csv:7: petal width must be a number, not '1e999'",
    ),
    Case(
        "unknown species",
        {"a.csv": SIX_ROWS + ROW + b",Iris-germanica\n"},
        "{folder}/a.csv:7: species must be one of"
        " Iris-setosa, Iris-versicolor, Iris-virginica, not 'Iris-germanica'",
    ),
    Case(
        "empty line between rows",
        {"a.csv": SIX_ROWS + b"\n" + SIX_ROWS},
        "{folder}/a.csv:7: empty line between rows",
    ),
    Case(
        "a quoted number",
        {"a.csv": SIX_ROWS + b'5.1,"3.5",1.4,0.2,Iris-setosa\n'},
        "{folder}/a.csv:7: sepal width must be a number without quotes, not '\"3.5\"'",
    ),
    Case(
        "a quoted species",
        {"a.csv": SIX_ROWS + ROW + b',"Iris-setosa"\n'},
        "{folder}/a.csv:7: species must be one of"
        " Iris-setosa, Iris-versicolor, Iris-virginica without quotes, not '\"Iris-setosa\"'",
    ),
    Case(
        "a semicolon",
        {"a.csv": SIX_ROWS + b"5.1;3.5;1.4;0.2;Iris-setosa\n"},
        "{folder}/a.csv:7: columns must be separated by commas, as in 5.1,3.5,1.4,0.2",
    ),
    Case(
        "a decimal comma",
        {"a.csv": SIX_ROWS + b"5,1,3,5,1,4,0,2,Iris-setosa\n"},
        "{folder}/a.csv:7: 9 columns; there must be 5; decimals must have a point, not a comma",
    ),
    Case(
        "nothing but hidden files",
        {".DS_Store": b"\0\0\0\1Bud1", ".cache/1.csv": SIX_ROWS},
        "{folder}: holds no file",
    ),
    Case(
        "one species",
        {"a.csv": (ROW + b",Iris-setosa\n") * 10},
        "{folder}: all rows are Iris-setosa; there must be at least 2 species",
    ),
    Case(
        "a species with two rows",
        {"a.csv": SIX_ROWS + b"6.3,3.3,6.0,2.5,Iris-virginica\n" * 2},
        "{folder}: Iris-virginica has 2 rows; each species must have at least 3",
    ),
    Case(
        "one bad file of several",
        {"a.csv": SIX_ROWS, "more/b.csv": b"x\n"},
        "{folder}/more/b.csv:1: is not a row of numbers; files must have no header line",
    ),
]

ATTRIBUTES = [
    Case("missing folder", None, "{folder}: no such folder"),
    Case("no file", {}, "{folder}: holds no file"),
    Case("empty file", {"1.csv": b"\n"}, "{folder}/1.csv: is empty"),
    Case(
        "header line",
        {"1.csv": b"a,b,c,d\n" + ROW + b"\n"},
        "{folder}/1.csv:1: is not a row of numbers; files must have no header line",
    ),
    Case(
        "labelled rows",
        {"1.csv": ROW + b",Iris-setosa\n"},
        "{folder}/1.csv:1: 5 columns; there must be 4",
    ),
    Case(
        "infinite",
        {"1.csv": ROW + b"\n5.1,3.5,Inf,0.2\n"},
        "{folder}/1.csv:2: petal length must be a number, not 'Inf'",
    ),
    Case(
        "one bad file of several",
        {"1.csv": ROW + b"\n", "2.csv": b"long,short,long,short\n"},
        "{folder}/2.csv:1: is not a row of numbers; files must have no header line",
    ),
    Case(
        "a semicolon",
        {"1.csv": b"5.1;3.5;1.4;0.2\n"},
        "{folder}/1.csv:1: columns must be separated by commas, as in 5.1,3.5,1.4,0.2",
    ),
    Case(
        "semicolons and decimal commas",
        {"1.csv": b"5,1;3,5;1,4;0,2\n"},
        "{folder}/1.csv:1: columns must be separated by commas and decimals by points,"
        " as in 5.1,3.5,1.4,0.2",
    ),
    Case(
        "decimal commas",
        {"1.csv": ROW + b"\n5,1,3,5,1,4,0,2\n"},
        "{folder}/1.csv:2: 8 columns; there must be 4; decimals must have a point, not a comma",
    ),
    Case(
        "quoted numbers",
        {"1.csv": b'"5.1","3.5","1.4","0.2"\n'},
        "{folder}/1.csv:1: sepal length must be a number without quotes, not '\"5.1\"'",
    ),
]
