"""What makes the tables of docs/, one script a table."""
