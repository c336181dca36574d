-- What gives the role the rights that a migration needs: to make the schema, or to act for who made what is in it.
WITH
me AS (SELECT quote_ident(current_user) AS name, quote_ident(current_database()) AS database),
place AS (SELECT oid, nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'talkdesk'),
owners AS (
    SELECT c.relowner AS owner FROM pg_catalog.pg_class AS c, place WHERE c.relnamespace = place.oid
    UNION
    SELECT f.proowner FROM pg_catalog.pg_proc AS f, place WHERE f.pronamespace = place.oid
)
SELECT line FROM (
    SELECT 1 AS place, 'GRANT CREATE ON DATABASE ' || me.database || ' TO ' || me.name AS line
    FROM me
    WHERE NOT EXISTS (SELECT FROM place) AND NOT has_database_privilege(current_database(), 'CREATE')
    UNION ALL
    SELECT 2, 'GRANT ' || quote_ident(pg_get_userbyid(owner)) || ' TO ' || me.name
    FROM owners, me
    WHERE NOT pg_has_role(owner, 'USAGE')
    UNION ALL
    SELECT 3, 'GRANT USAGE, CREATE ON SCHEMA talkdesk TO ' || me.name
    FROM me, place
    WHERE NOT (has_schema_privilege(place.oid, 'USAGE') AND has_schema_privilege(place.oid, 'CREATE'))
        AND NOT EXISTS (SELECT FROM owners WHERE owner = place.nspowner)
) AS found
ORDER BY place, line
