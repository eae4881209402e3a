"""How the shipped models were made and measured: run as ``python -m model_development``; not installed for users."""
