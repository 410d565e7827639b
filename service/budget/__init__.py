"""Privacy budgets: caps from the agreement, and the rule by which a charge is taken or refused."""
