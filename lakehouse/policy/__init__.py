"""Who may use which data for what: licences, purposes, terms, consent, and the decisions that follow from them."""
