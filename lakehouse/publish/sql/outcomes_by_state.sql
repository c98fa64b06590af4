-- grain: one row per state and wave (calendar year of measurement)
-- owner: team:data
-- unit: earnings USD a year; shares 0 to 1; students 1. Shares are sums over sums, never averages of shares
-- column state: Postal abbreviation of the state.
-- column wave_date: First day of the year of measurement.
-- column institutions: Institutions in the state.
-- column institutions_with_earnings: Those of them whose earnings are known.
-- column median_earnings: Median over institutions of their median earnings.
-- column mean_earnings: Mean over institutions of their median earnings.
-- column students_working: Former students who work.
-- column students_not_working: Former students who do not.
-- column working_share: Those who work, of all whose work is known.
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
