"""YAML as the standard allows it: one document, no aliases, no repeated keys, YAML 1.2 scalars, bounded size."""

import re
from typing import TYPE_CHECKING, Any, Protocol

import yaml

MAX_BYTES = 1_000_000
MAX_DEPTH = 20


class YamlFaultError(ValueError):
    """The text is not YAML of this kind; the message names the line."""


if TYPE_CHECKING:
    from yaml import SafeLoader as _Base
else:
    # The same loader in C where PyYAML was built with it: reading all rules took 0.9 s without.
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """SafeLoader with the scalars of YAML 1.2: NO stays a word, 2024-01-31 stays a string."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9]{0,17})$", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?$", "-+0123456789."),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlFaultError(f"line {key_node.start_mark.line + 1}: a key must be a plain word")
        if key_node.value in pairs:
            raise YamlFaultError(f"line {key_node.start_mark.line + 1}: the key '{key_node.value}' is there twice")
        pairs[key_node.value] = loader.construct_object(value_node, deep=True)
    return pairs


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(body: bytes) -> object:
    """Return the one document in `body`.

    Raises:
        YamlFaultError: not UTF-8, too large, too deep, aliases, repeated keys, or not YAML.
    """
    if len(body) > MAX_BYTES:
        raise YamlFaultError(f"{len(body)} bytes; a description file has at most {MAX_BYTES}")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlFaultError(f"not UTF-8 at byte {error.start}") from error
    try:
        _refuse_depth_and_aliases(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise YamlFaultError(f"line {_line(error.problem_mark)}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise YamlFaultError(str(error)) from error


class _Mark(Protocol):
    """What both loaders say about a place in the text."""

    line: int


def _line(mark: _Mark | None) -> int:
    return mark.line + 1 if mark else 1


def _refuse_depth_and_aliases(text: str) -> None:
    # The event stream is iterative, so a bomb of brackets or aliases is met here before anything is built from it.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise YamlFaultError(f"line {_line(event.start_mark)}: aliases are not allowed; write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise YamlFaultError(f"line {_line(event.start_mark)}: nested deeper than {MAX_DEPTH} levels")
