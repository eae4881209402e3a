"""From a mask to lesions: components, table, regions and metrics."""
