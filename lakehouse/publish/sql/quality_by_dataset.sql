-- grain: one row per model version, evaluation snapshot and dataset of held-out text
-- owner: team:models
-- unit: bit/byte; gain_over_trigram is the trigram's bits per byte minus the language model's, above 0 is better
select
    model_version,
    version_number,
    is_newest,
    is_current,
    evaluation_snapshot,
    is_newest_snapshot,
    slice as dataset,
    max(document_count) as document_count,
    max(byte_count) as byte_count,
    max(case when evaluator = 'gpt' then bits_per_byte end) as gpt_bits_per_byte,
    max(case when evaluator = 'gpt' then standard_error end) as gpt_standard_error,
    max(case when evaluator = 'unigram' then bits_per_byte end) as unigram_bits_per_byte,
    max(case when evaluator = 'trigram' then bits_per_byte end) as trigram_bits_per_byte,
    max(case when evaluator = 'trigram' then bits_per_byte end)
    - max(case when evaluator = 'gpt' then bits_per_byte end) as gain_over_trigram,
    published_at
from kpi.model_quality
where slice <> 'all'
group by model_version, version_number, is_newest, is_current, evaluation_snapshot, is_newest_snapshot, slice, published_at
