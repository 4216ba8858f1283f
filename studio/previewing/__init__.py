"""Pictures of a blend while it is put together: what is asked for, who draws it, and what became of it."""
