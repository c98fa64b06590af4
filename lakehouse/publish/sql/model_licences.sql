-- grain: one row per model version, dataset and licence it learned from
-- owner: team:models
-- unit: token_count, document_count 1; token_share 0 to 1 of all tokens the version learned from
-- column version_number: Number of the model version, from 1 in order of publishing.
-- column is_current: 1 for the version that is served now: promoted last, by the gate or by a person, and neither rolled back, retired nor in quarantine; 0 for others.
-- column licence: SPDX licence expression of what was learned from, or none given.
select
    v.version_number,
    l.model_version,
    v.is_current,
    l.dataset,
    coalesce(l.licence, 'none given') as licence,
    l.document_count,
    l.token_count,
    l.token_share,
    l.recorded_at
from lakehouse.gold.token_shares as l
inner join kpi.model_versions as v
    on l.model_version = v.model_version
