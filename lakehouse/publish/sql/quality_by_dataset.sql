-- grain: one row per model version, evaluation snapshot and dataset of held-out text
-- owner: team:models
-- unit: bit/byte; gain_over_trigram is the trigram's bits per byte minus the language model's, above 0 is better
-- column version_number: Number of the model version, from 1 in order of publishing.
-- column model_version: Model version.
-- column is_newest: 1 for the version published last, 0 for others.
-- column is_current: 1 for the version that is served now: promoted last, by the gate or by a person, and neither rolled back, retired nor in quarantine; 0 for others.
-- column evaluation_snapshot: Test set that was measured on.
-- column is_newest_snapshot: 1 for the test set that was measured last, 0 for older ones.
-- column dataset: Dataset whose held-out documents were scored.
-- column document_count: Documents scored.
-- column byte_count: Bytes scored.
-- column gpt_bits_per_byte: Bits per byte of the language model; lower is better.
-- column gpt_standard_error: Standard error of that.
-- column unigram_bits_per_byte: Bits per byte of single bytes by frequency.
-- column trigram_bits_per_byte: Bits per byte of the trigram baseline.
-- column gain_over_trigram: Bits per byte the language model saves against the trigram; above 0 is better.
-- column published_at: When the model version was published (UTC).
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
