"""How do parameters and representations change in training? (Karimi et al. 2021)"""
