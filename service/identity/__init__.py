"""Who is calling: clients, assertions, access tokens and roles."""
