"""A LoRA file's keys -> modules of a family: how keys end, which family they name, what each module's sides are."""
