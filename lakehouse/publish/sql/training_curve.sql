-- grain: one row per model version and recorded training step
-- owner: team:models
-- unit: bits per byte bit/byte; tokens_per_second 1/s; utilisation 0 to 1, of the rate of products of matrices measured in the same run
-- column version_number: Number of the model version, from 1 in order of publishing.
-- column is_newest: 1 for the version published last, 0 for others.
-- column is_current: 1 for the version that is served now: promoted last, by the gate or by a person, and neither rolled back, retired nor in quarantine; 0 for others.
-- column utilisation: Share of the rate of matrix products measured in the same run that the model used (MFU).
-- column published_at: When the model version was published (UTC).
select
    c.model_version,
    m.version_number,
    m.is_newest,
    m.is_current,
    c.step,
    c.train_bits_per_byte,
    c.validation_bits_per_byte,
    c.tokens_per_second,
    c.utilisation,
    m.published_at
from lakehouse.gold.training_curve as c
inner join kpi.model_versions as m
    on c.model_version = m.model_version
