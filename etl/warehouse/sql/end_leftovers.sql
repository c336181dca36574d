-- Sessions of the same run that the server does not yet know to be dead, and that would keep its lock.
SELECT pg_terminate_backend(pid)
FROM pg_catalog.pg_stat_activity
WHERE
    application_name = :name
    AND datname = current_database()
    AND usename = current_user
    AND pid <> pg_backend_pid()
