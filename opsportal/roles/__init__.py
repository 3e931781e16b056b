"""A role in the database for each part of a portal, with the rights that this part needs and no other (rule 18).

What each may is one declared table (`tables`), which a test holds against the models; `giving` brings a PostgreSQL to
what is declared and changes nothing where it is so already.
"""
