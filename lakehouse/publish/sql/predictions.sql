-- grain: one row per model version, evaluation snapshot and held-out passage
-- owner: team:models
-- unit: bits_per_byte bit/byte; next_token_probability 0 to 1; hit_top_5 0 or 1, so a hit rate is sum(hit_top_5) / count(*)
-- column version_number: Number of the model version, from 1 in order of publishing.
-- column is_newest: 1 for the version published last, 0 for others.
-- column is_current: 1 for the version that is served now: promoted last, by the gate or by a person, and neither rolled back, retired nor in quarantine; 0 for others.
-- column is_newest_snapshot: 1 for the test set that was measured last, 0 for older ones.
-- column hit_top_5: 1 where the next token was among the five most likely, 0 elsewhere.
-- column published_at: When the model version was published (UTC).
select
    p.model_version,
    m.version_number,
    m.is_newest,
    m.is_current,
    p.evaluation_snapshot,
    case
        when max(p.recorded_at) over (partition by p.evaluation_snapshot) = max(p.recorded_at) over () then 1
        else 0
    end as is_newest_snapshot,
    p.passage_id,
    p.document_id,
    p.dataset,
    p.dataset_commit,
    cast(p.passage as varchar) as passage,
    p.bits_per_byte,
    p.next_token,
    p.top_tokens,
    p.top_probabilities,
    p.next_token_probability,
    case when p.in_top_5 then 1 else 0 end as hit_top_5,
    cast(p.continuation as varchar) as continuation,
    m.published_at,
    p.recorded_at as predicted_at
from lakehouse.gold.predictions as p
inner join kpi.model_versions as m
    on p.model_version = m.model_version
