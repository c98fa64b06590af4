import gc

import pytest

from models.loading import seeing_no_garbage


def load_what_is_not_there():
    with seeing_no_garbage():
        assert not gc.isenabled()
        raise ImportError


def test_garbage_is_looked_for_again_after_loading_even_when_it_fails():
    with pytest.raises(ImportError):
        load_what_is_not_there()
    assert gc.isenabled()


def test_who_looked_for_none_before_looks_for_none_afterwards():
    with seeing_no_garbage():
        with seeing_no_garbage():
            pass
        assert not gc.isenabled()
