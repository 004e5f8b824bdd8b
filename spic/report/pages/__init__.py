"""The pages of a run: overview, tables, gallery."""
