"""The scans a model knows as a population: what is measured of each, and how far others lie from them."""
