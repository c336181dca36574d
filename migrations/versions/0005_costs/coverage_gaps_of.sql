-- The ledger is long and gaps are few, so it is not read whole. Every eighth run, by its id, has a place in small
-- indexes: between two complete listings found there, not further apart than the source keeps an import less the
-- account's longest run, no gap can hide, and what lies between them is left unread; the same goes for the ledger's
-- beginning and for now. Only the other stretches are read listing by listing, planned for the stretch at hand.
CREATE FUNCTION talkdesk.coverage_gaps_of(of_account text)
RETURNS TABLE (gap_from timestamptz, gap_to timestamptz)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
ROWS 10
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    kept interval;
    longest interval;
    begins record;
    stretch record;
BEGIN
    -- Hours, not days: the length of a day would depend on the session's time zone.
    SELECT coalesce((r.options ->> 'retention_days')::double precision, 20) * interval '24 hours'
    INTO kept
    FROM talkdesk.sync_runs AS r
    WHERE r.account = of_account
    ORDER BY r.started_at DESC, r.run_id DESC
    LIMIT 1;
    SELECT coalesce(max(r.finished_at - r.started_at), interval '0')
    INTO longest
    FROM talkdesk.sync_runs AS r
    WHERE r.account = of_account;
    RETURN QUERY
    SELECT f.listed_at, f.next_listed_at - kept
    FROM talkdesk.coverage_folded AS f
    WHERE f.account = of_account AND f.next_listed_at - kept > f.listed_at;
    -- What is older than the end of the folded listings, and still in the ledger, is folded already.
    SELECT f.listed_at AS started_at, f.run_id
    INTO begins
    FROM talkdesk.coverage_folded AS f
    WHERE f.account = of_account AND f.next_listed_at IS NULL;
    IF NOT FOUND THEN
        SELECT min(r.started_at) AS started_at, '' AS run_id INTO begins
        FROM talkdesk.sync_runs AS r WHERE r.account = of_account;
    END IF;
    FOR stretch IN
        WITH marks AS (
            SELECT begins.started_at, begins.run_id
            UNION ALL
            SELECT r.started_at, r.run_id
            FROM talkdesk.sync_runs AS r
            INNER JOIN talkdesk.sync_run_resources AS s ON s.account = r.account AND s.run_id = r.run_id
            WHERE
                r.account = of_account
                AND s.account = of_account
                AND r.window_from IS NULL
                AND r.window_to IS NULL
                AND s.resource = 'imports'
                AND s.complete
                AND (r.started_at, r.run_id) > (begins.started_at, begins.run_id)
                AND hashtext(r.run_id) & 7 = 0
                AND hashtext(s.run_id) & 7 = 0
        ),
        stretches AS (
            SELECT
                m.started_at AS since,
                m.run_id AS since_run,
                lead(m.started_at, 1, 'infinity') OVER (ORDER BY m.started_at, m.run_id) AS until,
                lead(m.run_id, 1, '') OVER (ORDER BY m.started_at, m.run_id) AS until_run
            FROM marks AS m
        )
        SELECT * FROM stretches AS s WHERE least(s.until, now()) > s.since + (kept - longest)
    LOOP
        RETURN QUERY
        WITH listings AS (
            SELECT
                r.run_id,
                r.started_at,
                -- The run after a dead one closed it, perhaps weeks later; its listing was read at its beginning.
                CASE
                    WHEN r.outcome IN ('running', 'died') THEN r.started_at + make_interval(secs => s.seconds)
                    ELSE coalesce(r.finished_at, r.started_at)
                END AS ended_at
            FROM talkdesk.sync_runs AS r
            INNER JOIN talkdesk.sync_run_resources AS s ON s.account = r.account AND s.run_id = r.run_id
            WHERE
                r.account = of_account
                AND s.account = of_account
                AND (r.started_at, r.run_id) >= (stretch.since, stretch.since_run)
                AND (r.started_at, r.run_id) <= (stretch.until, stretch.until_run)
                AND r.window_from IS NULL
                AND r.window_to IS NULL
                AND s.resource = 'imports'
                AND s.complete
        ),
        -- The newest listing is followed by one that would end now.
        pairs AS (
            SELECT
                l.started_at,
                coalesce(
                    lead(l.ended_at) OVER (ORDER BY l.started_at, l.run_id),
                    CASE WHEN stretch.until = 'infinity' THEN now() END
                ) AS next_ended_at
            FROM listings AS l
        )
        SELECT p.started_at, p.next_ended_at - kept
        FROM pairs AS p
        WHERE p.next_ended_at - kept > p.started_at;
    END LOOP;
END
$$;

COMMENT ON FUNCTION talkdesk.coverage_gaps_of(text) IS
'The gaps of one account, as coverage_gaps shows them: read from few pages of the ledger.';
