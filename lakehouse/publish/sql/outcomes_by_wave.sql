-- grain: one row per wave (calendar year of measurement) and predominant degree of the institutions
-- owner: team:data
-- unit: earnings USD a year; shares 0 to 1; students 1. Shares are sums over sums, never averages of shares
-- column wave_date: First day of the year of measurement.
-- column degree: Predominant degree that the institutions award.
-- column institutions: Institutions of that kind.
-- column institutions_with_earnings: Those of them whose earnings are known.
-- column median_earnings: Median over institutions of their median earnings.
-- column mean_earnings: Mean over institutions of their median earnings.
-- column sum_earnings: Sum of those earnings; over institutions_with_earnings it gives the mean of any group.
-- column students_working: Former students who work.
-- column students_not_working: Former students who do not.
-- column working_share: Those who work, of all whose work is known.
-- column institutions_without_earnings: Institutions whose earnings are not known.
-- column missing_share: Those, of all institutions.
select
    cast(cast("year" as varchar) || '-01-01' as date) as wave_date,
    pred_degree_awarded_ipeds as degree,
    count(*) as institutions,
    count(earnings_med) as institutions_with_earnings,
    percentile_cont(0.5) within group (order by earnings_med) as median_earnings,
    avg(earnings_med) as mean_earnings,
    sum(earnings_med) as sum_earnings,
    sum(count_working) as students_working,
    sum(count_not_working) as students_not_working,
    cast(sum(count_working) as double) / nullif(sum(count_working) + sum(count_not_working), 0) as working_share,
    sum(case when earnings_med is null then 1 else 0 end) as institutions_without_earnings,
    cast(sum(case when earnings_med is null then 1 else 0 end) as double) / count(*) as missing_share
from lakehouse.silver.college_scorecard_outcomes
group by "year", pred_degree_awarded_ipeds
