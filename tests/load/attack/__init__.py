"""What tests/load/attacks.py is made of."""
