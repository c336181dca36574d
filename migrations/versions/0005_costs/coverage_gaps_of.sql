-- The ledger is long and gaps are few, so it is not read whole. Every sixteenth run, by its id, has a place in small
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
    slack interval;
    begins record;
    stretch record;
    thorough boolean;
    is_known boolean;
    begun timestamptz[];
    ended timestamptz[];
BEGIN
    -- Hours, not days: the length of a day would depend on the session's time zone.
    SELECT coalesce((r.options ->> 'retention_days')::double precision, 20) * interval '24 hours'
    INTO kept
    FROM talkdesk.sync_runs AS r
    WHERE r.account = of_account
    ORDER BY r.started_at DESC, r.run_id DESC
    LIMIT 1;
    SELECT kept - coalesce(max(r.finished_at - r.started_at), interval '0')
    INTO slack
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
            -- Runs that stand in both indexes. A join might look each of them up.
            SELECT max(b.started_at), b.run_id
            FROM (
                SELECT r.started_at, r.run_id
                FROM talkdesk.sync_runs AS r
                WHERE
                    r.account = of_account
                    AND r.window_from IS NULL
                    AND r.window_to IS NULL
                    AND hashtext(r.run_id) & 15 = 0
                UNION ALL
                SELECT NULL, s.run_id
                FROM talkdesk.sync_run_resources AS s
                WHERE
                    s.account = of_account
                    AND s.resource = 'imports'
                    AND s.complete
                    AND hashtext(s.run_id) & 15 = 0
            ) AS b
            GROUP BY b.run_id
            HAVING count(*) = 2 AND (max(b.started_at), b.run_id) > (begins.started_at, begins.run_id)
        ),
        stretches AS (
            SELECT
                m.started_at AS since,
                m.run_id AS since_run,
                lead(m.started_at, 1, 'infinity') OVER (ORDER BY m.started_at, m.run_id) AS until,
                lead(m.run_id, 1, '') OVER (ORDER BY m.started_at, m.run_id) AS until_run
            FROM marks AS m
        )
        SELECT * FROM stretches AS s WHERE least(s.until, now()) > s.since + slack
    LOOP
        -- First only those are looked up after or before which nothing ran for long; runs that are known to have
        -- failed are none. If that leaves a doubt, all are.
        FOREACH thorough IN ARRAY ARRAY[false, true] LOOP
            WITH runs AS (
                SELECT
                    r.run_id,
                    r.started_at,
                    r.finished_at,
                    r.outcome,
                    lag(r.started_at) OVER in_time AS before,
                    lead(r.started_at) OVER in_time AS after,
                    row_number() OVER in_time AS number,
                    count(*) OVER () AS total
                FROM talkdesk.sync_runs AS r
                WHERE
                    r.account = of_account
                    AND r.started_at >= stretch.since
                    AND r.started_at <= stretch.until
                    AND (r.started_at, r.run_id) >= (stretch.since, stretch.since_run)
                    AND (r.started_at, r.run_id) <= (stretch.until, stretch.until_run)
                    AND r.window_from IS NULL
                    AND r.window_to IS NULL
                    AND r.run_id NOT IN (
                        SELECT s.run_id
                        FROM talkdesk.sync_run_resources AS s
                        WHERE s.account = of_account AND s.resource = 'imports' AND NOT s.complete
                    )
                WINDOW in_time AS (ORDER BY r.started_at, r.run_id)
            ),
            listings AS (
                SELECT
                    r.started_at,
                    r.run_id,
                    r.number,
                    r.total,
                    -- The run after a dead one closed it, perhaps weeks later; its listing was read at its beginning.
                    CASE
                        WHEN r.outcome IN ('running', 'died') THEN r.started_at + make_interval(secs => s.seconds)
                        ELSE coalesce(r.finished_at, r.started_at)
                    END AS ended_at
                FROM runs AS r
                CROSS JOIN LATERAL (
                    SELECT c.seconds
                    FROM talkdesk.sync_run_resources AS c
                    WHERE c.account = of_account AND c.run_id = r.run_id AND c.resource = 'imports' AND c.complete
                    LIMIT 1
                ) AS s
                WHERE
                    thorough
                    OR r.before IS NULL
                    OR r.after IS NULL
                    OR r.started_at > r.before + slack
                    OR r.after > r.started_at + slack
            ),
            -- The newest listing is followed by one that would end now.
            pairs AS (
                SELECT
                    l.started_at,
                    coalesce(
                        lead(l.ended_at) OVER in_time, CASE WHEN stretch.until = 'infinity' THEN now() END
                    ) AS next_ended_at,
                    l.number = 1 OR lag(l.number) OVER in_time IS NOT NULL AS is_known_before,
                    coalesce(lead(l.number) OVER in_time, l.total + 1) = l.number + 1
                    OR coalesce(lead(l.started_at) OVER in_time <= l.started_at + slack, false) AS is_known_after
                FROM listings AS l
                WINDOW in_time AS (ORDER BY l.started_at, l.run_id)
            )
            SELECT
                array_agg(p.started_at) FILTER (WHERE p.next_ended_at - kept > p.started_at),
                array_agg(p.next_ended_at - kept) FILTER (WHERE p.next_ended_at - kept > p.started_at),
                coalesce(bool_and(p.is_known_before AND p.is_known_after), false)
            INTO begun, ended, is_known
            FROM pairs AS p;
            EXIT WHEN is_known;
        END LOOP;
        RETURN QUERY SELECT g.begun, g.ended FROM unnest(begun, ended) AS g (begun, ended);
    END LOOP;
END
$$;

COMMENT ON FUNCTION talkdesk.coverage_gaps_of(text) IS
'The gaps of one account, as coverage_gaps shows them: read from few pages of the ledger.';
