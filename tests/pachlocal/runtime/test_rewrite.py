from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pachlocal.runtime.rewrite import PathRewriter, is_plain

REWRITER = PathRewriter({"/pfs": "/s/w/pfs", "/code": "/src/stage"})


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("/pfs", "/s/w/pfs"),
        ("/pfs/", "/s/w/pfs/"),
        ("/pfs/in/a b", "/s/w/pfs/in/a b"),
        ("--in=/pfs/x:/code/y", "--in=/s/w/pfs/x:/src/stage/y"),
        ("/pfs:/pfs,/pfs", "/s/w/pfs:/s/w/pfs,/s/w/pfs"),
        ("cp /pfs/in/* /pfs/out; ls </pfs/x>/pfs/y", None),
        ("cat '/pfs/x' \"/pfs/y\" `ls /pfs` $(ls /pfs)", None),
        ("-I/code/include -L/code", "-I/src/stage/include -L/src/stage"),
        ("file:///pfs/x", "file:///s/w/pfs/x"),
        ("@/pfs/x", "@/s/w/pfs/x"),
        ("/pfs$NAME /pfs* /pfs)", "/s/w/pfs$NAME /s/w/pfs* /s/w/pfs)"),
        ("['/pfs/a', \"/code\"]", "['/s/w/pfs/a', \"/src/stage\"]"),
    ],
)
def test_paths_are_rewritten(text: str, rewritten: str | None) -> None:
    if rewritten is None:
        rewritten = text.replace("/pfs", "/s/w/pfs")
    assert REWRITER.text(text) == rewritten
    assert REWRITER.data(text.encode()) == rewritten.encode()


@pytest.mark.parametrize(
    "text",
    [
        "/home/pfs",
        "/home/pfs/x",
        "/pfsx",
        "/pfs-2/x",
        "/pfs.txt",
        "/pfs_old",
        "/pfs~",
        "/codec",
        "pfs",
        "pfs/x",
        "./pfs",
        "../pfs/x",
        "~/pfs",
        "$HOME/code",
        "${HOME}/code",
        "$(pwd)/code",
        "*/pfs",
        "[ab]/pfs",
        "http://host/pfs/x",
        "http://pfs/x",
        "profile:///pfs",
        r"s/\/pfs\/in/x/",
        "s/pfs/x/",
        "é/pfs",
        "--no-x/pfs",
        "",
    ],
)
def test_what_is_no_path_below_them_stays(text: str) -> None:
    assert REWRITER.text(text) == text
    assert REWRITER.data(text.encode()) == text.encode()


def test_only_the_given_prefixes_are_rewritten() -> None:
    assert PathRewriter({"/pfs": "/s"}).text("/code/x /pfs/x") == "/code/x /s/x"


@given(st.binary())
def test_data_without_the_prefixes_stays_byte_for_byte(data: bytes) -> None:
    data = data.replace(b"/pfs", b"").replace(b"/code", b"")
    assert REWRITER.data(data) == data


@given(st.lists(st.sampled_from(["/pfs", "/code", "/a", "x", ":", "=", " ", "'", "\n", "é"])))
def test_what_was_rewritten_holds_no_path_that_is_rewritten_again(parts: list[str]) -> None:
    once = REWRITER.text("".join(parts))
    assert REWRITER.text(once) == once


def test_plain_paths() -> None:
    assert is_plain("/var/lib/x-1_2.3+4@5")
    assert not any(map(is_plain, ["/a b", "/a'b", "/a$b", "/ä", "/a:b", "/a,b", "/a\n", ""]))
