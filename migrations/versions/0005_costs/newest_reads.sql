-- Mostly the newest run tells; only an account that has failed for long is searched further back.
CREATE FUNCTION talkdesk.newest_reads(of_account text, of_resources text[])
RETURNS TABLE (resource text, started_at timestamptz, last_success_at timestamptz)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
ROWS 4
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    depth bigint;
    wanted text[] := of_resources;
BEGIN
    FOREACH depth IN ARRAY ARRAY[1, 10, 1000, NULL::bigint] LOOP
        FOR resource, started_at, last_success_at IN
            SELECT
                s.resource,
                max(r.started_at),
                max(r.finished_at) FILTER (WHERE r.outcome IN ('succeeded', 'partial'))
            FROM (
                SELECT n.run_id, n.started_at, n.finished_at, n.outcome
                FROM talkdesk.sync_runs AS n
                WHERE n.account = of_account AND n.window_from IS NULL AND n.window_to IS NULL
                ORDER BY n.started_at DESC, n.run_id DESC
                LIMIT depth
            ) AS r
            INNER JOIN talkdesk.sync_run_resources AS s ON s.run_id = r.run_id
            WHERE s.account = of_account AND s.resource = ANY (wanted) AND s.complete
            GROUP BY s.resource
        LOOP
            IF last_success_at IS NOT NULL OR depth IS NULL THEN
                wanted := array_remove(wanted, resource);
                RETURN NEXT;
            END IF;
        END LOOP;
        EXIT WHEN wanted = '{}';
    END LOOP;
    started_at := NULL;
    last_success_at := NULL;
    FOREACH resource IN ARRAY wanted LOOP
        RETURN NEXT;
    END LOOP;
END
$$;

COMMENT ON FUNCTION talkdesk.newest_reads(text, text[]) IS
'Per resource, of these and of one account: when the newest run that read it whole began, and when the newest succeeded or partial one of such runs ended; backfills do not count. NULL = never.';
