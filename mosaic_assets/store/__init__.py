"""The only place that opens SQLite and moves files: connections, schema, atomic publishing, round files."""
