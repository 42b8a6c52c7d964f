"""Programs that measure energywrap against its peers and the bare command."""
