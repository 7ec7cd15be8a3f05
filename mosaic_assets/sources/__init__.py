"""Imagery sources: the only place that makes outgoing requests or reads imagery."""
