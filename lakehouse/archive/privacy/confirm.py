"""What must hold of a value besides its shape: check digits, issuers, calendars."""

import ipaddress
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import Enum, auto

from lakehouse.archive.privacy.kinds import Confirmation

OLDEST_BIRTH_YEAR = 1900
DATE_LAYOUTS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y",
    "%m/%d/%y", "%d/%m/%y", "%Y%m%d", "%d%m%Y", "%d %B %Y", "%d %b %Y", "%B %d %Y", "%b %d %Y",
)  # fmt: skip
# Length of an IBAN by country: the SWIFT registry, release 99.
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)), strict=True))
VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
VIN_LENGTH = 17


class Where(Enum):
    """Whether a value stands where its column's name or the word before it speaks of such identifiers."""

    IN_CONTEXT = auto()
    ELSEWHERE = auto()


def confirmed(confirmation: Confirmation, value: str, where: Where) -> bool:
    """Say whether a value that has the shape holds what its kind promises."""
    return _CONFIRM[confirmation](value, where)


def _anything(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    return True


def _digits(value: str) -> str:
    return re.sub(r"[^0-9]", "", value)


def luhn(digits: str) -> bool:
    """Say whether a number's last digit is its check digit (ISO/IEC 7812, annex B)."""
    total = sum(map(int, digits[-1::-2])) + sum(d * 2 - 9 if d > 4 else d * 2 for d in map(int, digits[-2::-2]))
    return total % 10 == 0


def _card(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    digits = _digits(value)
    known = re.match(r"4|5[0-8]|2[2-7]|3[0-9]|6[0-9]|1800|2131", digits)
    return bool(known) and 12 <= len(digits) <= 19 and len(set(digits)) > 1 and luhn(digits)


def _iban(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    packed = value.replace(" ", "").upper()
    if len(packed) != IBAN_LENGTHS.get(packed[:2]):
        return False
    return int("".join(str(int(letter, 36)) for letter in packed[4:] + packed[:4])) % 97 == 1


def _ssn(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    digits = _digits(value)
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def _public_ip(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    # Global unicast only (RFC 4291): a::b in a programme is an address by its shape alone.
    return address.is_global and (address.version == 4 or value[0] in "23")


def _vehicle(value: str, where: Where) -> bool:
    if len(value) != VIN_LENGTH or where is Where.IN_CONTEXT:
        return where is Where.IN_CONTEXT and bool(re.search("[0-9]", value))
    if value.isdigit() or value.isalpha():
        return False
    total = sum(w * (int(c) if c.isdigit() else VIN_VALUES[c]) for c, w in zip(value, VIN_WEIGHTS, strict=True))
    return value[8] == "0123456789X"[total % 11]


def _phone(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    number = _digits(value.partition("x")[0])
    return 6 <= len(number) <= 16 and len(set(number)) > 1


def _birth_date(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    day = re.sub(r"(?<=[0-9])(?:st|nd|rd|th)\b|[.,](?= )|(?<=[0-9])[T ][0-9]{2}:.*|,", "", value).strip()
    today = datetime.now(UTC).date()
    for layout in DATE_LAYOUTS:
        try:
            born = datetime.strptime(day.title(), layout).replace(tzinfo=UTC).date()
        except ValueError:
            continue
        return date(OLDEST_BIRTH_YEAR, 1, 1) <= born <= today
    return False


def _verhoeff(digits: str) -> bool:
    """Say whether the check digit of the dihedral group D5 holds (J. Verhoeff, 1969)."""
    check = 0
    for place, letter in enumerate(reversed(digits)):
        digit = int(letter)
        for _ in range(place % 8):
            digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
        check = _d5(check, digit)
    return check == 0


def _d5(left: int, right: int) -> int:
    if left < 5:
        return (left + right) % 5 if right < 5 else 5 + (left + right - 5) % 5
    return 5 + (left - 5 - right) % 5 if right < 5 else (left - right) % 5


def _cpf(digits: str) -> bool:
    for length in (9, 10):
        total = sum(int(d) * w for d, w in zip(digits, range(length + 1, 1, -1), strict=False))
        if int(digits[length]) != total * 10 % 11 % 10:
            return False
    return len(set(digits)) > 1


def _nir(packed: str) -> bool:
    number = packed.replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number[:13]) % 97 == int(number[13:])


def _national_id(value: str, where: Where) -> bool:  # noqa: ARG001 - one signature for all
    packed = re.sub(r"[ -]", "", value)
    if re.fullmatch(r"[0-9]{8}[A-Z]", packed):
        return DNI_LETTERS[int(packed[:8]) % 23] == packed[8]
    if "." in value:
        return _cpf(_digits(value))
    if re.fullmatch(r"[0-9]{6}[-+][0-9]{4}", value):
        return 1 <= int(value[2:4]) <= 12 and 1 <= int(value[4:6]) <= 31 and luhn(_digits(value))
    if re.fullmatch(r"[0-9]{12}", packed):
        return _verhoeff(packed)
    return _nir(packed) if re.fullmatch(r"[12][0-9AB]{14}", packed) else True


_CONFIRM: dict[Confirmation, Callable[[str, Where], bool]] = {
    "none": _anything,
    "card": _card,
    "iban": _iban,
    "ssn": _ssn,
    "national_id": _national_id,
    "public_ip": _public_ip,
    "vehicle": _vehicle,
    "phone": _phone,
    "birth_date": _birth_date,
}
