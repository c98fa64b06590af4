-- grain: one row per model version, evaluator, slice and evaluation snapshot
-- owner: team:models
-- unit: bits_per_byte, standard_error bit/byte (lower is better); total_bits bit; byte_count byte; document_count 1; train_seconds s
-- column version_number: Number of the model version, from 1 in order of publishing.
-- column is_newest: 1 for the version published last, 0 for others.
-- column is_current: 1 for the version that is served now: promoted last, by the gate or by a person, and neither rolled back, retired nor in quarantine; 0 for others.
-- column is_newest_snapshot: 1 for the test set that was measured last, 0 for older ones.
-- column total_bits: Bits for the whole slice: bits per byte times bytes; sums of it over sums of bytes stay right.
-- column cause: Why the model was trained.
-- column parameter_count: Weights of the model.
-- column train_tokens: Tokens it saw in training.
-- column train_seconds: Seconds of training.
-- column device: Where it was trained.
-- column published_at: When the model version was published (UTC).
select
    e.model_version,
    m.version_number,
    m.is_newest,
    m.is_current,
    e.evaluation_snapshot,
    case
        when max(e.recorded_at) over (partition by e.evaluation_snapshot) = max(e.recorded_at) over () then 1
        else 0
    end as is_newest_snapshot,
    e.evaluator,
    e.slice,
    e.bits_per_byte,
    e.standard_error,
    e.bits_per_byte * e.byte_count as total_bits,
    e.byte_count,
    e.document_count,
    m.cause,
    m.parameter_count,
    m.train_tokens,
    m.train_seconds,
    m.device,
    m.published_at,
    e.recorded_at as evaluated_at
from lakehouse.gold.evaluations as e
inner join kpi.model_versions as m
    on e.model_version = m.model_version
