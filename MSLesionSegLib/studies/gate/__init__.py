"""Is a model that was taught something wrong kept out of use?"""
