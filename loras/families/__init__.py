"""Families of base models whose LoRA files are read: their parts and the names of their modules. No weights."""
