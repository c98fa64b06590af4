-- grain: one row per model version and recorded training step, and per recorded step of a training that is unfinished
-- owner: team:models
-- unit: bits per byte bit/byte; tokens_per_second 1/s; utilisation 0 to 1, of the rate of products of matrices measured in the same run
-- column model_version: Version of the language model; of an unfinished training, that word and the first 8 characters of its key.
-- column status: published, or unfinished: the training goes on, was stopped, or gave no version that was published.
-- column version_number: Number of the model version, from 1 in order of publishing; null of an unfinished training.
-- column is_newest: 1 for the version published last, 0 for others.
-- column is_current: 1 for the version that is served now: promoted last, by the gate or by a person, and neither rolled back, retired nor in quarantine; 0 for others.
-- column step: Optimizer steps done.
-- column train_bits_per_byte: Loss on the step's batch.
-- column validation_bits_per_byte: Loss on validation documents; null between.
-- column tokens_per_second: Training speed.
-- column utilisation: Share of the rate of matrix products measured in the same run that the model used (MFU).
-- column steps: Optimizer steps of the whole training; null of a published one.
-- column published_at: When the model version was published, or the row of an unfinished training written (UTC).
select
    c.model_version,
    'published' as status,
    m.version_number,
    m.is_newest,
    m.is_current,
    c.step,
    cast(null as bigint) as steps,
    c.train_bits_per_byte,
    c.validation_bits_per_byte,
    c.tokens_per_second,
    c.utilisation,
    m.published_at
from lakehouse.gold.training_curve as c
inner join kpi.model_versions as m
    on c.model_version = m.model_version
union all
select
    'unfinished ' || substr(p.training_key, 1, 8) as model_version,
    'unfinished' as status,
    cast(null as bigint) as version_number,
    0 as is_newest,
    0 as is_current,
    p.step,
    p.steps,
    p.train_bits_per_byte,
    p.validation_bits_per_byte,
    p.tokens_per_second,
    p.utilisation,
    p.recorded_at as published_at
from lakehouse.gold.training_progress as p
left join (
    select distinct training_key from lakehouse.gold.model_versions
) as v
    on p.training_key = v.training_key
where v.training_key is null
