"""How good it is: measured on labelled pictures, with the numbers and where they come from."""
