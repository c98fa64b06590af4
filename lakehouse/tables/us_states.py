"""Names of the states, districts and territories of the United States by their postal codes (USPS Publication 28)."""

_NAMES = """
AK Alaska|AL Alabama|AR Arkansas|AS American Samoa|AZ Arizona|CA California|CO Colorado|CT Connecticut
DC the District of Columbia|DE Delaware|FL Florida|FM Micronesia|GA Georgia|GU Guam|HI Hawaii|IA Iowa|ID Idaho
IL Illinois|IN Indiana|KS Kansas|KY Kentucky|LA Louisiana|MA Massachusetts|MD Maryland|ME Maine
MH the Marshall Islands|MI Michigan|MN Minnesota|MO Missouri|MP the Northern Mariana Islands|MS Mississippi|MT Montana
NC North Carolina|ND North Dakota|NE Nebraska|NH New Hampshire|NJ New Jersey|NM New Mexico|NV Nevada|NY New York
OH Ohio|OK Oklahoma|OR Oregon|PA Pennsylvania|PR Puerto Rico|PW Palau|RI Rhode Island|SC South Carolina
SD South Dakota|TN Tennessee|TX Texas|UT Utah|VA Virginia|VI the Virgin Islands|VT Vermont|WA Washington
WI Wisconsin|WV West Virginia|WY Wyoming
"""

UNNAMED = "unknown"

STATES = {entry[:2]: entry[3:] for line in _NAMES.strip().splitlines() for entry in line.split("|")}


def state_name(code: str) -> str:
    """Return the name of a postal code; a code that is not one stands for itself."""
    if code == UNNAMED:
        return "an unnamed state"
    return STATES.get(code, code)
