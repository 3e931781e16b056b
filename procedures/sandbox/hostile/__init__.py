"""What a hostile step would try, each attack by its name, against a victim that is open to everybody."""
