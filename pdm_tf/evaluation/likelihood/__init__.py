"""The variational bound on the likelihood of pictures: measured, tabulated, drawn."""
