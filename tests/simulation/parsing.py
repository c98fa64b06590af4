"""What was parsed of files in memory; parsing is most of the time, and gives the same for the same bytes."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

_PARSED: OrderedDict[tuple[str, str, bytes], Any] = OrderedDict()


def parsed(what: tuple[str, str, bytes], parse: Callable[[], Any]) -> Any:
    if what not in _PARSED:
        _PARSED[what] = parse()
        if len(_PARSED) > 2000:
            _PARSED.popitem(last=False)
    return _PARSED[what]
