"""The rules: one file per area, pure functions over state fetched beforehand."""
