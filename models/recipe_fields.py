"""Fields of recipes of fine-tuning: read from JSON, and refused with what is wrong, all faults at once."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from models.errors import RecipeError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")


def refuse_faults(recipe: "DataclassInstance", *, may_be_zero: frozenset[str], shares: frozenset[str]) -> None:
    """Raise RecipeError for values that cannot work; numbers are at least 0, whole ones 1, and shares below 1."""
    kinds = get_type_hints(type(recipe))
    faults = [
        fault
        for name, kind in kinds.items()
        if (fault := _fault(name, kind, getattr(recipe, name), zero=name in may_be_zero, share=name in shares))
    ]
    if faults:
        raise RecipeError(f"the recipe cannot work: {'; '.join(faults)}; correct these values")


def _fault(name: str, kind: object, value: object, *, zero: bool, share: bool) -> str:
    if kind is int and (type(value) is not int or value < (not zero)):
        return f"{name}={value!r} is not a positive whole number"
    if kind is bool and type(value) is not bool:
        return f"{name}={value!r} is neither true nor false"
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else -1
    if kind is float and not 0 <= number < (1 if share else float("inf")):
        return f"{name}={value!r} is not a number of at least 0{' and below 1' if share else ''}"
    if get_origin(kind) is Literal and value not in get_args(kind):
        return f"{name}={value!r} is none of {', '.join(get_args(kind))}"
    return ""


def recipe_of(kind: type[R], values: dict[str, Any]) -> R:
    """Return the recipe that these fields give, the rest as by default.

    Raises:
        RecipeError: a field is unknown or its value cannot work.
    """
    try:
        return kind(**values)
    except TypeError as error:
        known = ", ".join(each.name for each in dataclasses.fields(kind))
        raise RecipeError(f"no recipe of fine-tuning: {error}; its fields are {known}") from error


def read_recipe(kind: type[R], path: Path) -> R:
    """Read a recipe from a JSON file; a field that is left out has its default.

    Raises:
        RecipeError: the file is unreadable or no recipe.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot read a recipe from {path}: {error}; write a JSON object there") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path} holds no JSON object of a {kind.__name__}'s fields")
    return recipe_of(kind, values)
