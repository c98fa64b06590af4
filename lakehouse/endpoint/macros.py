"""Meanings that DuckDB lacks, as macros of its own; created once, when the database opens."""

from lakehouse.endpoint.plain_texts import FORMS, KIND, refusal

DAY = f"'{FORMS[KIND.DATE]}', '{refusal(KIND.DATE)}'"

MACROS = (
    # Text passes only in the forms of plain_texts.py; what is no text is cast as it is.
    """create macro dremio_has_form(a, form, message) as case
       when typeof(a) = 'VARCHAR' and not regexp_full_match(cast(a as varchar), form)
       then error(message || ', not ''' || cast(a as varchar) || '''') else true end""",
    """create macro dremio_text_to_date(a, form, message) as case
       when dremio_has_form(a, form, message) then cast(a as date) end""",
    """create macro dremio_plain_double(s) as case
       when s is null or abs(cast(s as double)) between 0.001 and 9999999 or cast(s as double) = 0 then s
       else error('CAST of a very large or small DOUBLE to VARCHAR is not supported; cast it to DECIMAL') end""",
    """create macro dremio_number(a) as case when typeof(a) = 'VARCHAR'
       then error('this function takes a number here; CAST the text to one') else a end""",
    "create macro dremio_div(a, b) as case when b = 0 then error('divide by zero') else a / b end",
    "create macro dremio_mod(a, b) as case when b = 0 then error('divide by zero') else a % b end",
    # Of whole numbers; halves are rounded away from zero.
    """create macro dremio_quotient(a, b) as case when b = 0 then error('divide by zero') else a // b + case
       when abs(a % b) >= abs(b) - abs(a % b) then sign(a) * sign(b) else 0 end end""",
    """create macro dremio_fits(a) as case
       when typeof(a) like 'DECIMAL%' and length(translate(cast(a as varchar), '-.', '')) > 38
       then error('a sum of DECIMALs has more than 38 digits; cast what is summed to DOUBLE') else a end""",
    """create macro dremio_minus(a, b) as case
       when typeof(a) in ('DATE', 'TIMESTAMP') and typeof(b) in ('DATE', 'TIMESTAMP')
       then error('a difference of dates with - is not supported; use DATEDIFF or TIMESTAMPDIFF')
       else a - b end""",
    # Typed macros cannot take aggregates, so there are few: time_bucket keeps DATE and TIMESTAMP by itself.
    # messages.py says what they take.
    "create macro dremio_add_days(a DATE, b) as cast(a + b as date), (a TIMESTAMP, b) as a + b",
    f"""create macro dremio_date_add(a DATE, b) as cast(a + b as date), (a TIMESTAMP, b) as a + b,
       (a VARCHAR, b) as cast(dremio_text_to_date(a, {DAY}) + b as date)""",
    """create macro dremio_no_text(a) as case when typeof(a) = 'VARCHAR'
       then error('TIMESTAMPADD and + INTERVAL take no text: write CAST(x AS DATE) or CAST(x AS TIMESTAMP)')
       else a end""",
    # Of text DuckDB would also take 5.7, 1e3, 1_000 and 0x10. What is wrong is marked, so that the cast fails and says
    # it: 5<.>7. The text stands here once, because nested macros repeat their arguments.
    r"""create macro dremio_whole(s, kind) as regexp_replace(s,
       case kind when 'VARCHAR' then '[^ 0-9-]+|^ *$' else '[^\s\S]' end, '<\0>', 'g')""",
    # DuckDB rounds halves to even when it casts a DOUBLE, and away from zero when it casts text, as Dremio does.
    """create macro dremio_to_integer(a) as case when typeof(a) in ('DOUBLE', 'FLOAT', 'VARCHAR')
       then cast(dremio_whole(cast(a as varchar), typeof(a)) as integer) else cast(a as integer) end""",
    """create macro dremio_to_bigint(a) as case when typeof(a) in ('DOUBLE', 'FLOAT', 'VARCHAR')
       then cast(dremio_whole(cast(a as varchar), typeof(a)) as bigint) else cast(a as bigint) end""",
    # Here DuckDB would also take t, yes and on.
    """create macro dremio_truth(s) as case when s in ('true', '1') then true when s in ('false', '0') then false
       else error('CAST of "' || s || '" to BOOLEAN: a text is true, false, 1 or 0') end""",
    """create macro dremio_to_boolean(a) as case
       when typeof(a) = 'VARCHAR' then dremio_truth(lower(trim(cast(a as varchar))))
       when typeof(a) in ('DOUBLE', 'FLOAT') or typeof(a) like 'DECIMAL%'
       then error('CAST of a number with a fraction to BOOLEAN is not supported; compare it with 0')
       else cast(a as boolean) end""",
    "create macro dremio_epoch(a) as make_timestamp(cast(a * cast(1000000 as bigint) as bigint))",
    "create macro dremio_now() as cast(date_trunc('millisecond', cast(now() as timestamp)) as timestamp)",
    """create macro dremio_flat(s, kind) as case when kind like '%]' or (kind like '%)' and kind not like 'DECIMAL%')
       then error('a list, a ROW or a MAP as text is not supported; use ARRAY_TO_STRING') else s end""",
    """create macro dremio_to_varchar(a) as case typeof(a)
       when 'TIMESTAMP' then strftime(cast(cast(a as varchar) as timestamp), '%Y-%m-%d %H:%M:%S.%g')
       when 'TIME' then strftime(cast('1970-01-01 ' || cast(a as varchar) as timestamp), '%H:%M:%S.%g')
       when 'DOUBLE' then dremio_plain_double(cast(a as varchar))
       when 'FLOAT' then dremio_plain_double(cast(a as varchar))
       when 'BLOB' then decode(cast(a as blob))
       else dremio_flat(cast(a as varchar), typeof(a)) end""",
    r"""create macro dremio_text_to_timestamp(a, form, message) as case
       when typeof(a) <> 'VARCHAR' then cast(a as timestamp) when dremio_has_form(a, form, message)
       then cast(regexp_replace(cast(a as varchar), '([.][0-9]{3})[0-9]+$', '\1') as timestamp) end""",
    r"""create macro dremio_text_to_time(a, form, message) as case
       when typeof(a) <> 'VARCHAR' then cast(a as time) when dremio_has_form(a, form, message)
       then cast(regexp_replace(cast(a as varchar), '([.][0-9]{3})[0-9]+$', '\1') as time) end""",
    """create macro dremio_text_to_double(a, form, message) as case
       when dremio_has_form(a, form, message) then cast(a as double) end""",
    """create macro dremio_text_to_float(a, form, message) as case
       when dremio_has_form(a, form, message) then cast(a as float) end""",
    # The text gets the type of what it is compared with, where it loses nothing; beside a null without one its own.
    """create macro dremio_compared(a, said, decimals, fits) as case when typeof(a) in ('VARCHAR', '"NULL"')
       or (fits = 'DOUBLE' and (typeof(a) in ('DOUBLE', 'FLOAT') or (typeof(a) like 'DECIMAL%'
       and try_cast(regexp_extract(typeof(a), ',([0-9]+)', 1) as integer) >= decimals)))
       or (fits = 'DATE' and typeof(a) in ('DATE', 'TIMESTAMP')) then cast_to_type(said, coalesce(a, said))
       else error('the text ''' || said || ''' is compared with a value of type ' || typeof(a)
       || '; CAST the text to the type that is meant, or write a number without quotes') end""",
    # Simple folding of cases, as regular expressions have it; lower alone keeps some small letters apart.
    """create macro dremio_folded(a) as case when contains(a, chr(304)) or contains(a, chr(305))
       then error('ILIKE of a capital I with a dot or a small one without is not supported: versions of Dremio differ')
       else lower(upper(a)) end""",
    r"""create macro dremio_neat(a, lenient) as case when not regexp_matches(a, '^\s|\s\s|\s$') then a
       when lenient = 0 then error('the text "' || a || '" has more blanks than its format') end""",
    # Of hours up to 12 without AM or PM, 12 is midnight to Joda and noon to DuckDB.
    "create macro dremio_before_noon(a) as case when hour(a) = 12 then a - to_hours(12) else a end",
    """create macro dremio_cut_off(a, places) as case when abs(a) >= 1e16 or abs(a) < 1e-6 then trunc(a, places)
       else cast(trunc(cast(cast(a as varchar) as decimal(38, 22)), places) as double) end""",
    "create macro dremio_log(b, x) as dremio_div(ln(x), ln(b))",
    # Whole months between two moments; Gandiva's way with those on the same day of a month (timestamp_arithmetic.cc)
    # leaves out milliseconds. Of an end on the last day of its month, the month is whole.
    "create macro dremio_clock(a) as hour(a) * 3600 + minute(a) * 60 + second(a)",
    """create macro dremio_whole_months(early, late) as
       (year(late) - year(early)) * 12 + month(late) - month(early) + case
       when day(late) > day(early) or (day(late) < day(early) and day(late) = day(last_day(late))) then 0
       when day(late) < day(early) or dremio_clock(late) < dremio_clock(early) then -1 else 0 end""",
    """create macro dremio_months(start, finish, size) as case
       when finish > start then dremio_whole_months(start, finish) // size
       else -(dremio_whole_months(finish, start) // size) end""",
    # Of two digits Dremio (Joda) makes the year between 80 years ago and 19 years ahead; DuckDB one from 1969 to 2068.
    """create macro dremio_two_digit_year(a) as case when year(a) > year(dremio_now()) + 19
       then a - to_years(100) else a end""",
    """create macro dremio_to_date(a) as case when typeof(a) in ('DATE', 'TIMESTAMP')
       then cast(cast(a as varchar) as date)
       else cast(make_timestamp(cast(cast(cast(dremio_number(a) as varchar) as double) * 1000000 as bigint)) as date)
       end""",
    f"""create macro dremio_shift(a TIME, b) as a + b, (a DATE, b) as cast(a as timestamp) + b,
       (a TIMESTAMP, b) as a + b, (a VARCHAR, b) as cast(dremio_text_to_date(a, {DAY}) as timestamp) + b""",
    # The days of a 31-day month count when neither both days are the same nor both are the last ones; times never do.
    """create macro dremio_months_between(a, b) as
       cast((year(a) - year(b)) * 12 + month(a) - month(b) as double) + case
       when day(a) = day(b) or (a = last_day(a) and b = last_day(b)) then 0 else (day(a) - day(b)) / 31e0 end""",
    """create macro dremio_next_day(a, weekday) as
       cast(a + to_days(cast((weekday - isodow(a) + 6) % 7 + 1 as integer)) as date)""",
    "create macro dremio_to_zone(zone, a) as timezone(zone, timezone('UTC', a))",
    # What an hour that is there twice, or not at all, means differs between Java and ICU.
    """create macro dremio_from_zone(zone, a) as case
       when timezone(zone, timezone(zone, a)) <> a or timezone(zone, timezone(zone, a) - to_minutes(60)) = a
       or timezone(zone, timezone(zone, a) - to_minutes(30)) = a
       then error('CONVERT_TIMEZONE of a time that the clocks show twice or skip is not supported')
       else timezone('UTC', timezone(zone, a)) end""",
    """create macro dremio_text(a) as case when a is null then null
       when typeof(a) = 'VARCHAR' then cast(a as varchar)
       else error('this function takes text here; cast the argument to VARCHAR') end""",
    """create macro dremio_bytes(a) as case when a is null then null when typeof(a) = 'BLOB' then cast(a as blob)
       when typeof(a) = 'VARCHAR' then encode(cast(a as varchar))
       else error('this function takes text or bytes here; cast the argument to VARCHAR') end""",
    "create macro dremio_bit_length(a) as 8 * octet_length(dremio_bytes(a))",
    "create macro dremio_utf8(a) as encode(dremio_text(a))",
    """create macro dremio_binary_string(a) as case when contains(a, chr(92))
       then error('BINARY_STRING of text with a backslash is not supported; use UNHEX') else dremio_utf8(a) end""",
    """create macro dremio_hex(a) as case when a is null then null
       when typeof(a) in ('VARCHAR', 'BLOB') then hex(dremio_bytes(a))
       when typeof(a) in ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT') then hex(cast(cast(a as varchar) as bigint))
       else error('HEX takes text, bytes and whole numbers') end""",
    """create macro dremio_unhex(a) as case when not regexp_full_match(a, '[0-9A-Fa-f]*') then null
       when length(a) % 2 = 1 then error('UNHEX takes two digits for each byte') else unhex(a) end""",
    """create macro dremio_ascii_only(a, name) as case when regexp_full_match(a, '[\\x00-\\x7F]*') then a
       else error(name || ' of letters beyond ASCII is not supported: versions of Dremio differ on them') end""",
    "create macro dremio_ascii(a) as ascii(dremio_ascii_only(a, 'ASCII'))",
    """create macro dremio_chr(a) as case when a between 1 and 127 then chr(cast(a as integer))
       when a is null then null else error('CHR takes 1 to 127: versions of Dremio differ beyond') end""",
    """create macro dremio_levenshtein(a, b) as
       levenshtein(dremio_ascii_only(a, 'LEVENSHTEIN'), dremio_ascii_only(b, 'LEVENSHTEIN'))""",
    """create macro dremio_initcap(a) as array_to_string(list_transform(
       regexp_extract_all(dremio_ascii_only(a, 'INITCAP'), '[A-Za-z0-9]+|[^A-Za-z0-9]+'),
       lambda word: upper(left(word, 1)) || lower(substring(word, 2))), '')""",
    """create macro dremio_quote(a) as case when a is null then 'NULL'
       when contains(a, chr(0)) or contains(a, chr(26)) then error('QUOTE of control characters is not supported')
       else chr(39) || replace(replace(a, chr(92), chr(92) || chr(92)), chr(39), chr(92) || chr(39)) || chr(39) end""",
    """create macro dremio_substring(s, start) as case when start < 0 and -start > length(s) then ''
       else substring(s, case when start = 0 then 1 else start end) end,
       (s, start, size) as case when size <= 0 or (start < 0 and -start > length(s)) then ''
       else substring(s, case when start = 0 then 1 else start end, size) end""",
    """create macro dremio_locate(part, s, start) as case when start < 1
       then error('LOCATE counts from 1') when strpos(substring(s, start), part) = 0 then 0
       else strpos(substring(s, start), part) + start - 1 end""",
    """create macro dremio_split_part(s, splitter, place) as case
       when place < 1 then error('SPLIT_PART counts from 1')
       when splitter = '' then error('SPLIT_PART at an empty text is not supported')
       else split_part(s, splitter, place) end""",
    """create macro dremio_substring_index(s, splitter, times) as array_to_string(case
       when times = 0 or splitter = '' then [] when times > 0 then string_split(s, splitter)[1:times]
       else string_split(s, splitter)[times:] end, splitter)""",
    "create macro dremio_pmod(a, b) as dremio_mod(dremio_mod(a, b) + b, b)",
    "create macro dremio_bround(a) as round_even(cast(dremio_number(a) as double), 0)",
    """create macro dremio_factorial(a) as case when a is null then null
       when typeof(a) not in ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT')
       then error('FACTORIAL takes a whole number; cast the argument to INTEGER')
       when a between 0 and 20 then factorial(cast(a as integer)) else error('FACTORIAL takes 0 to 20') end""",
    """create macro dremio_bin(a) as case typeof(a) when 'INTEGER' then right(bin(cast(a as bigint)), 32)
       else bin(cast(dremio_number(a) as bigint)) end""",
    """create macro dremio_lshift(a, b) as case when b < 0 or b > 31 or a < 0
       then error('LSHIFT takes numbers from 0 and shifts by 0 to 31') else a << b end""",
    """create macro dremio_rshift(a, b) as case when b < 0 or b > 31
       then error('RSHIFT shifts by 0 to 31') else a >> b end""",
    "create macro dremio_is_int(a) as typeof(a) in ('TINYINT', 'SMALLINT', 'INTEGER')",
    "create macro dremio_is_bigint(a) as typeof(a) in ('BIGINT', 'HUGEINT')",
    "create macro dremio_is_varchar(a) as typeof(a) = 'VARCHAR'",
    """create macro dremio_typeof(a) as case when typeof(a) = 'BOOLEAN' then 'BIT'
       when typeof(a) in ('TINYINT', 'SMALLINT', 'INTEGER') then 'INT'
       when typeof(a) in ('BIGINT', 'HUGEINT') then 'BIGINT'
       when typeof(a) like 'DECIMAL%' then 'DECIMAL' when typeof(a) = 'VARCHAR' then 'VARCHAR'
       else error('TYPEOF of this type is not supported; DESCRIBE names the types of columns') end""",
    # Java's DecimalFormat for numbers that need no rounding: Java rounds what a DOUBLE really is, halves to even.
    """create macro dremio_plain_number(a, decimals) as case
       when round(cast(cast(a as varchar) as decimal(38, 12)), decimals) <> cast(cast(a as varchar) as decimal(38, 12))
       or (typeof(a) in ('DOUBLE', 'FLOAT') and cast(cast(cast(a as varchar) as decimal(38, 12)) as double) <> a)
       then error('TO_CHAR of a number with more decimals than its format is not supported; ROUND it first')
       else cast(cast(dremio_number(a) as varchar) as decimal(38, 12)) end""",
    """create macro dremio_grouped(digits, size) as case when size = 0 then digits
       else reverse(rtrim(regexp_replace(reverse(digits), '(.{' || size || '})', '\\1,', 'g'), ',')) end""",
    """create macro dremio_joined(sign, whole, decimals) as sign || case when whole || decimals = '' then '0'
       when decimals = '' then whole else whole || '.' || decimals end""",
    """create macro dremio_shown(digits, sign, least, least_decimals, size) as dremio_joined(sign,
       dremio_grouped(lpad(ltrim(split_part(digits, '.', 1), '0'),
       cast(greatest(length(ltrim(split_part(digits, '.', 1), '0')), least) as integer), '0'), size),
       rpad(rtrim(split_part(digits, '.', 2), '0'),
       cast(greatest(length(rtrim(split_part(digits, '.', 2), '0')), least_decimals) as integer), '0'))""",
    """create macro dremio_to_char(a, least, least_decimals, most_decimals, size) as dremio_shown(
       cast(abs(dremio_plain_number(a, most_decimals)) as varchar),
       case when dremio_plain_number(a, most_decimals) < 0 then '-' else '' end, least, least_decimals, size)""",
    "create macro dremio_array_contains(a, b) as case when list_contains(a, b) then true "
    "when b is null or len(list_filter(a, lambda x: x is null)) > 0 then null when a is null then null else false end",
    "create macro dremio_array_position(a, b) as list_position(a, b) - 1",
    # Not list_concat alone, to which a null is an empty list.
    "create macro dremio_array_cat(a, b) as case when a is null or b is null then null else list_concat(a, b) end",
    "create macro dremio_array_compact(a) as list_filter(a, lambda x: x is not null)",
    """create macro dremio_array_extreme(a, b) as
       case when len(list_filter(a, lambda x: x is null)) > 0 then null else b end""",
    "create macro dremio_array_to_string(a, b) as "
    "array_to_string(list_transform(a, lambda x: coalesce(dremio_to_varchar(x), '')), b)",
)
