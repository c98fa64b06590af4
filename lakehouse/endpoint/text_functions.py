"""Dremio's functions of texts and bytes, in DuckDB's words."""

from collections.abc import Callable, Sequence

from sqlglot import exp

from lakehouse.endpoint.calls import Build, Function, call, counted, integer, number_of, same, text, text_of
from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.likes import escaped, without_case
from lakehouse.endpoint.plain_texts import shown
from lakehouse.endpoint.regexes import MOST_GROUPS, checked, replacement


def substring(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """Return a part of a text; a start of 0 means 1, and one before the text's beginning gives an empty text."""
    if isinstance(arguments[1], exp.Literal) and arguments[1].is_string:
        raise RefusedStatementError(
            "SUBSTR with a regular expression is not supported; use REGEXP_EXTRACT(x, '...', 0)"
        )
    return call("dremio_substring", *arguments)


def _locate(arguments: Sequence[exp.Expr]) -> exp.Expr:
    if len(arguments) == 2:
        return integer(call("strpos", arguments[1], arguments[0]))
    return integer(call("dremio_locate", *arguments))


def _padded(name: str) -> Build:
    return lambda arguments: call(name, *arguments, *([text(" ")] if len(arguments) == 2 else []))


def _ilike(arguments: Sequence[exp.Expr]) -> exp.Expr:
    like = exp.ILike(this=arguments[0], expression=arguments[1])
    if len(arguments) == 2:
        return exp.Paren(this=without_case(like))
    whole = escaped(exp.Escape(this=like, expression=arguments[2]))
    like.replace(without_case(like))
    return exp.Paren(this=whole)


def _regexp_like(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """Search anywhere; a point fits line ends too, as in Dremio for this function only."""
    regex = checked(text_of(arguments[1], "the pattern of REGEXP_LIKE"))
    return call("regexp_matches", arguments[0], text(regex.text), text("s"))


def _regexp_extract(arguments: Sequence[exp.Expr]) -> exp.Expr:
    regex = checked(text_of(arguments[1], "the pattern of REGEXP_EXTRACT"))
    groups = range(min(regex.groups, MOST_GROUPS) + 1)
    group = number_of(arguments[2], f"the group of REGEXP_EXTRACT with the pattern {regex.text!r}", groups)
    return call("regexp_extract", arguments[0], text(regex.text), exp.Literal.number(regex.require_group(group)))


def _regexp_replace(arguments: Sequence[exp.Expr]) -> exp.Expr:
    regex = checked(text_of(arguments[1], "the pattern of REGEXP_REPLACE"))
    if regex.may_be_empty:
        raise RefusedStatementError(
            f"REGEXP_REPLACE with {regex.text!r} is not supported: the pattern may fit no sign at all; use + for *"
        )
    new = replacement(text_of(arguments[2], "the replacement of REGEXP_REPLACE"), regex)
    return call("regexp_replace", arguments[0], text(regex.text), text(new), text("g"))


def _regexp_split(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """Split everywhere, into a number of parts at most, or at the first place; dremio-oss 25.2, SplitPattern.java."""
    regex = checked(text_of(arguments[1], "the pattern of REGEXP_SPLIT"))
    places = text_of(arguments[2], "the third argument of REGEXP_SPLIT")
    most = number_of(arguments[3], "the last argument of REGEXP_SPLIT", range(1, 10_001))
    if regex.may_be_empty:
        raise RefusedStatementError(
            f"REGEXP_SPLIT at {regex.text!r} is not supported: the pattern may fit no sign at all; use + for *"
        )
    if places == "ALL":
        parts = call("string_split_regex", arguments[0], text(regex.text))
        return call("list_slice", parts, exp.Literal.number(1), exp.Literal.number(most))
    if places != "FIRST" or regex.groups > MOST_GROUPS - 2:
        raise RefusedStatementError(
            "REGEXP_SPLIT is supported with 'ALL', and with 'FIRST' for patterns of up to 7 groups"
        )
    around = text(f"(?s:^(.*?))(?:{regex.text})(?s:(.*)$)")
    sides = [
        call("regexp_extract", arguments[0].copy(), around.copy(), exp.Literal.number(group))
        for group in (1, regex.groups + 2)
    ]
    found = exp.If(
        this=call("regexp_matches", arguments[0].copy(), text(regex.text)), true=exp.Array(expressions=sides)
    )
    absent = exp.If(this=exp.Is(this=exp.Paren(this=arguments[0].copy()), expression=exp.Null()), true=exp.Null())
    return exp.Case(ifs=[absent, found], default=exp.Array(expressions=[arguments[0]]))


def _coded(name: str, encodings: Sequence[str], what: str) -> Callable[[Sequence[exp.Expr]], exp.Expr]:
    """Return a builder for a function that is offered for some encodings only."""

    def build(arguments: Sequence[exp.Expr]) -> exp.Expr:
        encoding = text_of(arguments[1], f"the type of {what}").upper()
        if encoding not in encodings:
            raise RefusedStatementError(f"{what} is supported for {' and '.join(encodings)} only, not for {encoding}")
        return call(name, arguments[0])

    return build


TEXTS = {
    "LOWER": Function(1, 1, same("lower")),
    "LCASE": Function(1, 1, same("lower")),
    "UPPER": Function(1, 1, same("upper")),
    "UCASE": Function(1, 1, same("upper")),
    "INITCAP": Function(1, 1, same("dremio_initcap")),
    "LENGTH": Function(1, 1, counted("length")),
    "CHAR_LENGTH": Function(1, 1, counted("length")),
    "CHARACTER_LENGTH": Function(1, 1, counted("length")),
    "OCTET_LENGTH": Function(1, 1, lambda a: integer(call("octet_length", call("dremio_bytes", *a)))),
    "BIT_LENGTH": Function(1, 1, lambda a: integer(call("dremio_bit_length", *a))),
    "SUBSTR": Function(2, 3, substring),
    "SUBSTRING": Function(2, 3, substring),
    "SUBSTRING_INDEX": Function(3, 3, same("dremio_substring_index")),
    "SPLIT_PART": Function(3, 3, same("dremio_split_part")),
    "LEFT": Function(2, 2, same("left")),
    "RIGHT": Function(2, 2, same("right")),
    "LTRIM": Function(1, 2, same("ltrim")),
    "RTRIM": Function(1, 2, same("rtrim")),
    "BTRIM": Function(1, 2, same("trim")),
    "LPAD": Function(2, 3, _padded("lpad")),
    "RPAD": Function(2, 3, _padded("rpad")),
    "REPLACE": Function(3, 3, same("replace")),
    "TRANSLATE": Function(3, 3, same("translate")),
    "REVERSE": Function(1, 1, same("reverse")),
    "REPEAT": Function(2, 2, same("repeat")),
    "REPEATSTR": Function(2, 2, same("repeat")),
    "QUOTE": Function(1, 1, same("dremio_quote")),
    "LOCATE": Function(2, 3, _locate),
    "STRPOS": Function(2, 2, counted("strpos")),
    "INSTR": Function(2, 2, counted("strpos")),
    "IS_SUBSTR": Function(2, 2, same("contains")),
    "CONCAT": Function(1, None, lambda a: call("concat", *map(shown, a))),
    "CONCAT_WS": Function(2, None, lambda a: call("concat_ws", *map(shown, a))),
    "STARTS_WITH": Function(2, 2, same("starts_with")),
    "ENDS_WITH": Function(2, 2, same("ends_with")),
    "COL_LIKE": Function(2, 2, lambda a: exp.Paren(this=exp.Like(this=a[0], expression=a[1]))),
    "ILIKE": Function(2, 3, _ilike),
    "REGEXP_LIKE": Function(2, 2, _regexp_like),
    "REGEXP_MATCHES": Function(2, 2, _regexp_like),
    "REGEXP_EXTRACT": Function(3, 3, _regexp_extract),
    "REGEXP_REPLACE": Function(3, 3, _regexp_replace),
    "REGEXP_SPLIT": Function(4, 4, _regexp_split),
    "LEVENSHTEIN": Function(2, 2, lambda a: integer(call("dremio_levenshtein", *a))),
    "NORMALIZE_STRING": Function(2, 2, _coded("nfc_normalize", ["NFC"], "NORMALIZE_STRING")),
    "ASCII": Function(1, 1, lambda a: integer(call("dremio_ascii", *a))),
    "CHR": Function(1, 1, same("dremio_chr")),
    "MD5": Function(1, 1, lambda a: call("md5", call("dremio_text", *a))),
    "SHA": Function(1, 1, lambda a: call("sha1", call("dremio_text", *a))),
    "SHA1": Function(1, 1, lambda a: call("sha1", call("dremio_text", *a))),
    "SHA256": Function(1, 1, lambda a: call("sha256", call("dremio_text", *a))),
    "HEX": Function(1, 1, same("dremio_hex")),
    "TO_HEX": Function(1, 1, same("dremio_hex")),
    "UNHEX": Function(1, 1, same("dremio_unhex")),
    "FROM_HEX": Function(1, 1, same("dremio_unhex")),
    "BASE64": Function(1, 1, lambda a: call("to_base64", call("dremio_bytes", *a))),
    "UNBASE64": Function(1, 1, same("from_base64")),
    "CONVERT_FROM": Function(2, 2, _coded("decode", ["UTF8"], "CONVERT_FROM")),
    "CONVERT_TO": Function(2, 2, _coded("dremio_utf8", ["UTF8"], "CONVERT_TO")),
    "BINARY_STRING": Function(1, 1, same("dremio_binary_string")),
    "ENCODE": Function(2, 2, _coded("dremio_utf8", ["UTF-8"], "ENCODE")),
}
