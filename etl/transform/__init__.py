"""Items as the source sends them into rows; pure, knows neither the network nor the database."""
