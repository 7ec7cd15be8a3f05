"""What servers do wrong: a faulty tile server as a process of its own, the table of its faults, and hostile pictures."""
