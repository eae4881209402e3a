"""Does an encoder that has learnt from scans without masks save masks?"""
