"""Curated satellite-imagery datasets as Dagster assets: grown to a coverage target and kept honest."""

__version__ = "0.1.0"
