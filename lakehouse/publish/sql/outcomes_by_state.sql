-- grain: one row per state and wave (calendar year of measurement)
-- owner: team:data
-- unit: earnings USD a year; shares 0 to 1; students 1. Shares are sums over sums, never averages of shares
select
    state_abbr as state,
    cast(cast("year" as varchar) || '-01-01' as date) as wave_date,
    count(*) as institutions,
    count(earnings_med) as institutions_with_earnings,
    percentile_cont(0.5) within group (order by earnings_med) as median_earnings,
    avg(earnings_med) as mean_earnings,
    sum(count_working) as students_working,
    sum(count_not_working) as students_not_working,
    cast(sum(count_working) as double) / nullif(sum(count_working) + sum(count_not_working), 0) as working_share
from lakehouse.silver.college_scorecard_outcomes
group by state_abbr, "year"
