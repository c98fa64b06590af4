"""Meanings that DuckDB lacks, as macros of its own; created once, when the database opens."""

MACROS = (
    """create macro dremio_plain_double(s) as case
       when s is null or abs(cast(s as double)) between 0.001 and 9999999 or cast(s as double) = 0 then s
       else error('CAST of a very large or small DOUBLE to VARCHAR is not supported; cast it to DECIMAL') end""",
    "create macro dremio_div(a, b) as case when b = 0 then error('divide by zero') else a / b end",
    "create macro dremio_mod(a, b) as case when b = 0 then error('divide by zero') else a % b end",
    """create macro dremio_minus(a, b) as case
       when typeof(a) in ('DATE', 'TIMESTAMP') and typeof(b) in ('DATE', 'TIMESTAMP')
       then error('a difference of dates with - is not supported; use DATEDIFF or TIMESTAMPDIFF')
       else a - b end""",
    # Typed macros cannot take aggregates, so this is the only one: time_bucket keeps DATE and TIMESTAMP by itself.
    "create macro dremio_add_days(a DATE, b) as cast(a + b as date), (a TIMESTAMP, b) as a + b",
    # DuckDB rounds halves to even when it casts a DOUBLE, and away from zero when it casts text, as Dremio does.
    """create macro dremio_to_integer(a) as case when typeof(a) in ('DOUBLE', 'FLOAT')
       then cast(cast(a as varchar) as integer) else cast(a as integer) end""",
    """create macro dremio_to_bigint(a) as case when typeof(a) in ('DOUBLE', 'FLOAT')
       then cast(cast(a as varchar) as bigint) else cast(a as bigint) end""",
    "create macro dremio_epoch(a) as make_timestamp(cast(a * cast(1000000 as bigint) as bigint))",
    "create macro dremio_now() as cast(date_trunc('millisecond', cast(now() as timestamp)) as timestamp)",
    """create macro dremio_to_varchar(a) as case typeof(a)
       when 'TIMESTAMP' then strftime(cast(cast(a as varchar) as timestamp), '%Y-%m-%d %H:%M:%S.%g')
       when 'DOUBLE' then dremio_plain_double(cast(a as varchar))
       when 'FLOAT' then dremio_plain_double(cast(a as varchar))
       else cast(a as varchar) end""",
    "create macro dremio_log(b, x) as ln(x) / ln(b)",
)
