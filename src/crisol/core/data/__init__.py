"""What reads a person's data: public sources, raw tables, table files, pictures."""
