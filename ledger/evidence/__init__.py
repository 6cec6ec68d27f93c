"""Signed facts from outside, checked before they count; empty until stations and packs sign."""
