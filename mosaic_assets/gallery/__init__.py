"""The localization gallery, its queries, and measured baselines."""
