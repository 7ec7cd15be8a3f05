"""The end of a process, for tests of what the next one finds."""


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours may catch it."""
