"""HTTP: addresses in, bodies out; knows no row and no database."""
