"""Files that a stranger may have made, and what programs do with them."""
