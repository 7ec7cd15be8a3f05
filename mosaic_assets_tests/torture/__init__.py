"""Growing a library under SIGKILL: what must hold after every one of them, and a tally of what was tried."""
