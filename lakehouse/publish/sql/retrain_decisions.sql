-- grain: one row per cause that asked for a retraining
-- owner: team:monitoring
-- unit: none
select
    cause_key,
    cause,
    decision,
    reason,
    run_id,
    code_commit,
    recorded_at as decided_at
from lakehouse.gold.retrain_decisions
