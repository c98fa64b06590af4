-- grain: one row per model version and evaluation snapshot it was judged on
-- owner: team:models
-- unit: difference, standard_error bit/byte; difference is candidate minus the version it was compared with, below 0 is better; standing is current, replaced or rejected
-- column version_number: Number of the model version, from 1 in order of publishing.
-- column is_current: 1 for the version that is served now: promoted last and not in quarantine; 0 for others.
-- column standing: current, replaced or rejected.
-- column is_promoted: 1 where the version was promoted, 0 where not.
select
    p.model_version,
    m.version_number,
    m.is_current,
    case
        when m.is_current = 1 then 'current'
        when p.promoted then 'replaced'
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
