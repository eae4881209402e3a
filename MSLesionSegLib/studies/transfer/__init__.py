"""Does fine-tuning of a base model beat training de novo on the same few cases? (Huang et al. 2023)"""
