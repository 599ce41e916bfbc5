from __future__ import annotations

from pathlib import Path

import pytest

from pachlocal.errors import InvalidArgumentError
from pachlocal.runtime.stages import folder_of, interpolate, load_stages


def load(tmp_path: Path, text: str, **environ: str) -> dict[str, Path]:
    compose = tmp_path / "compose.yaml"
    compose.write_text(text)
    return load_stages(compose, environ)


def test_both_forms_of_build(tmp_path: Path) -> None:
    text = """
        services:
          short: {image: org/a:1, build: python/a}
          long: {image: org/b, build: {context: ./b/../c, dockerfile: Dockerfile}}
          absolute: {image: org/d, build: /d}
          here: {image: org/e, build: {dockerfile: Dockerfile}}
          pulled: {image: redis}
          unnamed: {build: x}
          remote: {image: org/f, build: "https://example.com/f.git"}
          empty:
    """
    assert load(tmp_path, text) == {
        "org/a:1": tmp_path / "python" / "a",
        "org/b": tmp_path / "c",
        "org/d": Path("/d"),
        "org/e": tmp_path,
    }


def test_variables_in_images_and_contexts(tmp_path: Path) -> None:
    text = """
        services:
          a: {image: "${REGISTRY:-}iris:${TAG:-1.0}", build: "${DIR}/a"}
    """
    assert load(tmp_path, text, DIR="x") == {"iris:1.0": tmp_path / "x" / "a"}
    assert load(tmp_path, text, DIR="x", REGISTRY="r.io/", TAG="2") == {
        "r.io/iris:2": tmp_path / "x" / "a"
    }


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$SET-${SET}-$$SET", "value-value-$SET"),
        ("${NONE}|${EMPTY}", "|"),
        ("${NONE:-d}|${EMPTY:-d}|${SET:-d}", "d|d|value"),
        ("${NONE-d}|${EMPTY-d}|${SET-d}", "d||value"),
        ("${NONE:+d}|${EMPTY:+d}|${SET:+d}", "||d"),
        ("${NONE+d}|${EMPTY+d}|${SET+d}", "|d|d"),
        ("${NONE:-${SET}/x}", "value/x"),
        ("${NONE:-}", ""),
        ("${SET:?needed}", "value"),
    ],
)
def test_interpolation(text: str, filled: str) -> None:
    assert interpolate(text, {"SET": "value", "EMPTY": ""}) == filled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: [", "compose.yaml:1:12: expected"),
        ("services: " + "[" * 2000, "nested more than"),
        ("services: {a: {image: !!int x}}", 'compose.yaml:1:23: "x" is not a valid int'),
        ("services: {a: {image: !!bool x}}", '"x" is not a valid bool'),
        ("services: {a: {image: !!bool {=: x}}}", "this is not a valid bool"),
        ("services: {a: {image: !!timestamp x}}", '"x" is not a valid timestamp'),
        ("services: {a: {build: x}, a: {build: y}}", '"a" stands twice'),
        ("services: [a]", "services must be a mapping"),
        ("just words", "the file must be a mapping"),
        ("services: {a: x}", "service a must be a mapping"),
        ("services: {a: {image: 3, build: x}}", "the image of a must be a text"),
        ("services: {a: {image: x, build: [y]}}", "the build of a must be a text"),
        ("services: {a: {image: '${x', build: y}}", "invalid interpolation format"),
        ("services: {a: {image: 'x$', build: y}}", "invalid interpolation format"),
        ("services: {a: {image: '${T:?say which}', build: y}}", "variable T: say which"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "compose.yaml") in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"none\.yaml: No such file"):
        load_stages(tmp_path / "none.yaml")
    binary = tmp_path / "compose.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidArgumentError, match=r"compose\.yaml: not a text file$"):
        load_stages(binary)


def test_no_services_no_stages(tmp_path: Path) -> None:
    assert load(tmp_path, "") == load(tmp_path, "services:") == {}


@pytest.mark.parametrize(
    ("name", "image"),
    [("o/a", "o/a"), ("o/a", "o/a:latest"), ("o/a:latest", "o/a"), ("h:5000/a", "h:5000/a:latest")],
)
def test_latest_is_the_default_tag(name: str, image: str) -> None:
    assert folder_of({name: Path("/x")}, image) == Path("/x")


def test_other_tags_are_other_images() -> None:
    assert folder_of({"o/a:1": Path("/x")}, "o/a") is None
    assert folder_of({"o/a": Path("/x")}, "o/a:1") is None
