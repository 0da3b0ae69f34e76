"""What makes the tables of docs/: one script a table, `python -m experiments.NAME`.

Each writes what it measured as JSON, and the table of its page between two markers.
"""
