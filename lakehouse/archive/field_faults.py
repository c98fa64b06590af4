"""What is wrong with a value in a description file, in words for the person who wrote it."""

LONGEST_SHOWN = 60
# How pydantic begins its messages, and the same in words that need no programming.
WORDS = {
    "Input should be a valid tuple": "should be a list",
    "Input should be a valid dictionary or instance of": "should hold fields, `name: value`; it is a",
    "Input should be a valid dictionary": "should hold fields, `name: value`",
    "Input should": "should",
    "String should": "should",
    "Tuple should": "should",
    "Value should": "should",
}


def reason(message: str, value: object) -> str:
    """Return the standard's own words, or else the value, where it is a plain one, and what it should be."""
    if value == "" and message.startswith("String should have at least"):
        return "it is empty"
    for theirs, ours in WORDS.items():
        if message.startswith(theirs):
            what = _shown(value) if isinstance(value, str | int | float) else "it"
            return f"{what} {ours}{message.removeprefix(theirs)}"
    return message.removeprefix("Value error, ")


def _shown(value: object) -> str:
    text = repr(value)  # which writes what does not print, also signs that turn a line around, as escapes
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
