from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pachlocal.errors import InvalidArgumentError
from pachlocal.pfs.history.names import (
    Ancestry,
    BranchName,
    CommitName,
    RepoName,
    is_commit_id,
    new_id,
    parse_ancestry,
    validate_name,
    validate_project_name,
)
from pachlocal.pfs.tree import paths

ALLOWED = [chr(code) for code in range(32, 127) if chr(code) not in "*?[]{}!()@+^/"]
SEGMENTS = st.text(ALLOWED, min_size=1).filter(lambda segment: segment not in (".", ".."))


# --- paths ----------------------------------------------------------------------------------


@given(segments=st.lists(SEGMENTS, max_size=4), slashes=st.integers(1, 3), end=st.booleans())
def test_an_allowed_path_is_cleaned_to_one_leading_slash(
    segments: list[str], slashes: int, end: bool
) -> None:
    text = ("/" * slashes).join(segments) + ("/" if end else "")
    cleaned = paths.validate(text)
    assert cleaned == "/" + "/".join(segments) == paths.clean(text)
    assert paths.validate(cleaned) == cleaned
    assert paths.segments(cleaned) == segments


@given(before=st.text(ALLOWED, max_size=5), character=st.sampled_from("*?[]{}!()@+^"))
def test_globbing_characters_are_refused_by_name(before: str, character: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        paths.validate(f"/{before}{character}x")
    assert f"globbing character ({character}) not allowed in path" in str(caught.value)


@given(character=st.characters().filter(lambda character: not " " <= character <= "~"))
def test_what_is_not_printable_ascii_is_refused(character: str) -> None:
    with pytest.raises(InvalidArgumentError, match="only printable ASCII characters allowed"):
        paths.validate(f"/a{character}b")


@pytest.mark.parametrize("end", ["\n", "\x00", "\x7f", "é"])
def test_a_forbidden_character_at_the_end_is_refused(end: str) -> None:
    with pytest.raises(InvalidArgumentError, match="only printable ASCII"):
        paths.validate("/a" + end)


@pytest.mark.parametrize("path", ["..", "/../x", "/a/../b", "/a/..", "./a", "/a/./b", "/a/.", "."])
def test_relative_segments_are_refused(path: str) -> None:
    with pytest.raises(InvalidArgumentError, match="relative file paths are not allowed"):
        paths.validate(path)


@pytest.mark.parametrize("path", ["/...", "/.hidden", "/a..b", "/a.", "/..a", "/a/.../b"])
def test_dots_in_a_name_are_allowed(path: str) -> None:
    assert paths.validate(path) == path


# --- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["iris", "Iris_2", "a-b", "0", "-", "_"])
def test_letters_digits_underscores_and_dashes_make_a_name(name: str) -> None:
    validate_name(name)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a/b", "ä", "a@b", "a\n", "a^"])
def test_other_characters_make_none(name: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        validate_name(name)
    assert str(caught.value) == (
        f"name ({name}) invalid: only alphanumeric characters, underscores, and dashes are allowed"
    )


@pytest.mark.parametrize("name", ["-a", "_a", "", "a b", "a" * 52])
def test_a_project_begins_with_a_letter_or_digit_and_is_short(name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        validate_project_name(name)
    validate_project_name("a" * 51)


def test_names_are_shown_as_clients_expect_them() -> None:
    user = RepoName("default", "model")
    assert str(user) == "default/model"
    assert str(user.of_type("meta")) == "default/model.meta"
    assert str(BranchName(user, "master")) == "default/model@master"
    assert str(CommitName(user.of_type("spec"), "abc")) == "default/model.spec@abc"


def test_new_ids_are_recognised_and_branches_are_not() -> None:
    assert is_commit_id(new_id())
    assert new_id() != new_id()
    assert not any(map(is_commit_id, ["master", "", new_id()[:-1], new_id().upper(), "f" * 32]))


# --- ancestry -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("master", Ancestry("master")),
        ("master^", Ancestry("master", back=1)),
        ("master^^", Ancestry("master", back=2)),
        ("master^3", Ancestry("master", back=3)),
        ("master~2", Ancestry("master", back=2)),
        ("master~", Ancestry("master", back=1)),
        ("master^2~3^", Ancestry("master", back=6)),
        ("master~0", Ancestry("master", back=0)),
        ("master.1", Ancestry("master", nth=1)),
        ("master.12", Ancestry("master", nth=12)),
        ("", Ancestry("")),
    ],
)
def test_an_ancestry_suffix_is_split_off(text: str, expected: Ancestry) -> None:
    assert parse_ancestry(text) == expected


@given(
    name=st.text("abz019_-", min_size=1),
    steps=st.lists(st.tuples(st.sampled_from("^~"), st.none() | st.integers(0, 99)), max_size=4),
)
def test_steps_back_add_up(name: str, steps: list[tuple[str, int | None]]) -> None:
    text = name + "".join(sign + ("" if n is None else str(n)) for sign, n in steps)
    back = sum(1 if n is None else n for _, n in steps)
    assert parse_ancestry(text) == Ancestry(name, back=back)


@pytest.mark.parametrize("text", ["master.", "master.x", "master^x", "master^.1", "a.1.2", "^a"])
def test_other_suffixes_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="invalid ancestry syntax"):
        parse_ancestry(text)
