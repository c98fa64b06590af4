"""What a dataset is, in the forms that others read, and packages of others as datasets."""
