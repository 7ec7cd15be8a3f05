"""The Dagster layer: assets, checks, jobs, sensors and schedules as thin wrappers of the domains.

One file a concept: ``partitions``, ``resources``, one file of assets a domain, ``checks``, ``jobs``, ``sensors``,
``schedules``; ``runs`` asks the instance about its runs, ``drive`` does in one process what the daemon does with many.
"""
