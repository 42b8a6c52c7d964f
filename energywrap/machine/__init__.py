"""Which machine this is: its processor, its host if it is a guest, its memory; without root or network."""
