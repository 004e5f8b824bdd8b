"""Networks that several parts build on, and where their weights come from."""
