"""PostgreSQL: connections, transactions and where they lead."""
