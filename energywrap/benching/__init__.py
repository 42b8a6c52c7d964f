"""What a bench of commands is made of: its plan, its runs, their figures, and how they are told. Pure."""
