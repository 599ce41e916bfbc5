"""YAML documents that anybody may have written, read within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pachlocal.untrusted import MAX_DEPTH, check_plain

if TYPE_CHECKING:
    import yaml

_MOST = 2**20  # characters; a MiB takes ten seconds
_MOST_VALUES = 100_000  # with those that are named by an alias, as often as they are
_SHOWN = 40  # characters of a value in a message
_MOST_MERGED = 1000  # names in an object into which others were merged


def read_yaml(text: str, name: str) -> Iterator[Any]:
    """Yield the documents of a text but for empty ones, as JSON could hold them.

    Dates stay the text that they are written as.

    Args:
        text: The text.
        name: What to call it in messages.

    Raises:
        ValueError: Something in it is wrong; the message begins with its name.
    """
    if len(text) > _MOST:
        raise ValueError(
            f"{name}: it is larger than {_MOST // 2**20} MiB: write what is so large as JSON"
        )
    import yaml  # few commands need it

    try:
        for document in yaml.load_all(text, Loader=_loader()):  # it is a safe loader
            if document is not None:
                check_plain(document, _MOST_VALUES)
                yield document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ValueError(f"{place}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{name}: {' '.join(str(error).split())}") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    except RecursionError:  # an alias of an object within itself, merged
        raise ValueError(f"{name}: it is nested too deep") from None


def _loader() -> type[yaml.SafeLoader]:
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012  # it is the base class's form
            first: [(tag, form) for tag, form in resolvers if not tag.endswith(":timestamp")]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }
        depth = 0

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
                # What PyYAML raises for `!!bool x` and the like tells of its own code.
                value = f'"{node.value[:_SHOWN]}"' if isinstance(node.value, str) else "this"
                problem = f"{value} is not a valid {node.tag.rpartition(':')[2]}"
                raise yaml.constructor.ConstructorError(
                    None, None, problem, node.start_mark
                ) from error

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            merges = any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value)
            super().flatten_mapping(node)
            if merges and len(node.value) > _MOST_MERGED:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"more than {_MOST_MERGED} names are merged into one object",
                    node.start_mark,
                )

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise yaml.constructor.ConstructorError(
                    None, None, f'"{twice}" stands twice in one object', node.start_mark
                )
            return super().construct_mapping(node, deep)

    return Loader
