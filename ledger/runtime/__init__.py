"""The only orchestration: the writer, reactions, following views, rebuild, verify."""
