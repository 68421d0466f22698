"""Data and targets of published tasks."""
