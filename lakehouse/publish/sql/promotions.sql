-- grain: one row per model version and evaluation snapshot it was judged on
-- owner: team:models
-- unit: difference, standard_error bit/byte; difference is candidate minus the version it was compared with, below 0 is better; standing is current, replaced, rejected, waits for approval, rolled back or retired
-- column version_number: Number of the model version, from 1 in order of publishing.
-- column is_current: 1 for the version that is served now: promoted last, by the gate or by a person, and neither rolled back, retired nor in quarantine; 0 for others.
-- column standing: current, replaced, rejected, waits for approval, rolled back or retired.
-- column is_promoted: 1 where the version was promoted, 0 where not.
select
    p.model_version,
    m.version_number,
    m.is_current,
    case
        when m.is_current = 1 then 'current'
        when m.stage = 'rolled_back' then 'rolled back'
        when m.stage is not null and m.stage <> 'current' then m.stage
        when p.promoted or m.stage = 'current' then 'replaced'
        when p.waits then 'waits for approval'
        else 'rejected'
    end as standing,
    case when p.promoted then 1 else 0 end as is_promoted,
    p.evaluation_snapshot,
    p.compared_with,
    p.difference,
    p.standard_error,
    p.reason,
    p.run_id,
    p.code_commit,
    p.recorded_at as judged_at
from lakehouse.gold.promotions as p
inner join kpi.model_versions as m
    on p.model_version = m.model_version
