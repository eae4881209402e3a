"""Synthetic patients with lesions."""
