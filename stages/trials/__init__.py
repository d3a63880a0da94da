"""A model tried on a set it was not made from: channels and labels matched, what it has seen left out."""
