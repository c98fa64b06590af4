-- grain: one row per smaller form of a model version, evaluation snapshot and what the gate asked of it
-- owner: team:models
-- unit: size_bytes, whole_size_bytes, peak_memory_bytes, whole_peak_memory_bytes byte; bits_per_byte, whole_bits_per_byte, difference, low, high bit/byte, above 0 is a loss; tokens_per_cpu_second, whole_tokens_per_cpu_second 1/s; size_share, speed_ratio 1; is_accepted 0 or 1
-- column form: Name of the form: the version it was made from, then how.
-- column is_accepted: 1 where the form keeps what the gate asked of it, 0 where it was refused.
-- column size_share: Bytes of the form's file over bytes of the version's own.
-- column speed_ratio: Tokens read a CPU second by the form over those by the version, taken in turns.
select
    f.form,
    f.model_version,
    m.version_number,
    m.is_newest,
    m.is_current,
    f.evaluation_snapshot,
    case when f.accepted then 1 else 0 end as is_accepted,
    f.reason,
    f.asked,
    f.size_bytes,
    f.whole_size_bytes,
    cast(f.size_bytes as double) / f.whole_size_bytes as size_share,
    f.bits_per_byte,
    f.whole_bits_per_byte,
    f.difference,
    f.low,
    f.high,
    f.document_count,
    f.tokens_per_cpu_second,
    f.whole_tokens_per_cpu_second,
    f.tokens_per_cpu_second / f.whole_tokens_per_cpu_second as speed_ratio,
    f.peak_memory_bytes,
    f.whole_peak_memory_bytes,
    f.weights_sha256,
    f.run_id,
    f.code_commit,
    f.recorded_at as measured_at
from lakehouse.gold.model_forms as f
inner join kpi.model_versions as m
    on f.model_version = m.model_version
