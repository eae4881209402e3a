"""How the models' results were measured, and the tables of them."""
