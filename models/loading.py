"""Loads big libraries faster: what is loaded stays, so looking for garbage meanwhile finds none."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeing_no_garbage() -> Iterator[None]:
    """Leave garbage alone within this block, which took a sixth of the processor time of loading torch or transformers.

    Not for more than loading: where steps of training make cycles, their tensors would stay.
    """
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()
