"""The paper's figures and its Table 1 again, at a size that a desk computer trains.

Each file named after a figure makes it: settings and a way to get trained networks ->
tables, pictures, and what was found beside what the paper claims.
"""
