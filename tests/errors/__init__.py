"""A catalogue of everything that can be done wrong: a module for each room, and what microbp answers."""
