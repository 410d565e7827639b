"""The agency's and the analyst's side: prepare, push, ask, and check what the broker says."""
