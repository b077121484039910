"""The networks of the family: modules of torch, and what is fitted to feed them."""
