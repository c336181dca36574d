CREATE SCHEMA procrastinate
