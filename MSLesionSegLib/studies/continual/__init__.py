"""Does experience replay keep a network from forgetting earlier hospitals? (Karthik et al. 2022)"""
