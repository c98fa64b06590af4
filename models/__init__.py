"""The model library: tokenizer, language model, training and evaluation; knows no lakehouse and no Dagster."""
