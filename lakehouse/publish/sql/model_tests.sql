-- grain: one row per model version, evaluation snapshot and test of the model
-- owner: team:models
-- unit: value_measured, threshold in the unit of the measure, mostly shares of 1; is_passed 0 or 1; is_blocking 1 where a failure keeps the alias where it is
-- column is_passed: 1 where the value keeps the threshold, 0 where not.
-- column is_blocking: 1 where a failure of the test stops training or promotion, 0 where it stops nothing.
select
    t.model_version,
    m.version_number,
    m.is_newest,
    m.is_current,
    t.evaluation_snapshot,
    t.test,
    t.measure,
    t."value" as value_measured,
    t.comparison,
    t.threshold,
    case when t.passed then 1 else 0 end as is_passed,
    t.stops,
    case when t.stops = 'nothing' then 0 else 1 end as is_blocking,
    t.owner,
    t.detail,
    t.run_id,
    t.code_commit,
    t.recorded_at as tested_at
from lakehouse.gold.model_tests as t
inner join kpi.model_versions as m
    on t.model_version = m.model_version
