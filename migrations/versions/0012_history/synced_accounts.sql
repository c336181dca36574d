-- The accounts of the ledger, by one look each into its index. A function, because Citus takes no recursive query beside
-- tables that are distributed; it is called where the ledger is.
CREATE FUNCTION talkdesk.synced_accounts()
RETURNS SETOF text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    one text;
BEGIN
    SELECT min(r.account) INTO one FROM talkdesk.sync_runs AS r;
    WHILE one IS NOT NULL LOOP
        RETURN NEXT one;
        SELECT min(r.account) INTO one FROM talkdesk.sync_runs AS r WHERE r.account > one;
    END LOOP;
END
$$;

COMMENT ON FUNCTION talkdesk.synced_accounts() IS 'The accounts that were ever synced, as the ledger has them.';
