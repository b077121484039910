"""Registered versions: registration, gate, promotion, lineage, reproduction."""
