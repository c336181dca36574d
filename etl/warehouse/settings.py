"""The contract of a session: every setting that a role, a database, a URL or the environment can turn.

What changes how values are read, written or ordered, and what ends a session, is pinned at the start of every
transaction of ours, whoever connects; the rest is the house's own business. A server knows about two hundred settings
that a user may turn; a test holds each of them, on every version at hand, against these two tables.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import IsolationLevel, sql
from psycopg import errors as pg

TEXTS = {  # how values are written and read
    "client_encoding": "UTF8",  # packed rows and JSON are UTF-8
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "timezone_abbreviations": "Default",
    "bytea_output": "hex",
    "extra_float_digits": "1",  # digits enough to give back the very number
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "default_text_search_config": "pg_catalog.simple",
}
STATEMENTS = {  # what a statement means, what it finds, and where
    "search_path": "",  # every name in our SQL carries its schema
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "escape_string_warning": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "row_security": "on",
    "gin_fuzzy_search_limit": "0",  # more would leave rows out at random
    "restrict_nonsystem_relation_kind": "",  # views are read
    "default_table_access_method": "heap",  # others cannot update
    "check_function_bodies": "on",
    "synchronize_seqscans": "on",
}
TRANSACTIONS = {  # for what runs outside a transaction; inside one, BEGIN has said it
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
}
TIMES = {
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "idle_session_timeout": "0",  # a sync's lock lives in a session that waits for the source
    # A machine that vanished must not keep the lock for hours.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "0",
}
TALK = {  # what is said, and what of it stands in a log: no row
    "client_min_messages": "warning",
    "exit_on_error": "off",
    "log_parameter_max_length_on_error": "0",
    "debug_print_parse": "off",
    "debug_print_plan": "off",
    "debug_print_rewritten": "off",
}
PLANNER = {  # plans were measured with these; what disks and memory are like is the house's to say
    "jit": "off",  # it costs more than it saves, whatever the statement
    "plan_cache_mode": "auto",
    "constraint_exclusion": "partition",
    "cursor_tuple_fraction": "0.1",
    "recursive_worktable_factor": "10",
    "from_collapse_limit": "8",
    "join_collapse_limit": "8",
    "geqo": "on",
    "geqo_threshold": "12",
    "debug_parallel_query": "off",
    "force_parallel_mode": "off",  # its name before 16
    **dict.fromkeys(("enable_partitionwise_aggregate", "enable_partitionwise_join"), "off"),
    **dict.fromkeys(
        (
            "enable_async_append",
            "enable_bitmapscan",
            "enable_distinct_reordering",
            "enable_gathermerge",
            "enable_group_by_reordering",
            "enable_hashagg",
            "enable_hashjoin",
            "enable_incremental_sort",
            "enable_indexonlyscan",
            "enable_indexscan",
            "enable_material",
            "enable_memoize",
            "enable_mergejoin",
            "enable_nestloop",
            "enable_parallel_append",
            "enable_parallel_hash",
            "enable_partition_pruning",
            "enable_presorted_aggregate",
            "enable_self_join_elimination",
            "enable_seqscan",
            "enable_sort",
            "enable_tidscan",
        ),
        "on",
    ),
}
PINNED = {**TEXTS, **STATEMENTS, **TRANSACTIONS, **TIMES, **TALK, **PLANNER}

BATCHES = {  # what a batch is planned with: statistics may know neither its rows nor its account
    "enable_nestloop": "off",  # else a batch is joined row by row with the whole account
    # The planner takes an account that its statistics have not seen for one row, and then any index on the account for
    # as good as the key's. Planned without its name, it is an account like the others.
    "plan_cache_mode": "force_generic_plan",
}

HOUSE: dict[str, tuple[str, ...]] = {
    "how long a statement or a transaction of a role may take": ("statement_timeout", "transaction_timeout"),
    "how safely a commit is kept": ("synchronous_commit", "commit_siblings", "wal_skip_threshold"),
    "where and how rows are kept": ("default_tablespace", "temp_tablespaces", "default_toast_compression"),
    "set for a sync's session alone": ("client_connection_check_interval",),
    "said by BEGIN": ("transaction_isolation", "transaction_read_only", "transaction_deferrable"),
    "each connection's own name": ("application_name",),
    "memory": (
        "gin_pending_list_limit",
        "hash_mem_multiplier",
        "logical_decoding_work_mem",
        "maintenance_work_mem",
        "temp_buffers",
        "vacuum_buffer_usage_limit",
        "work_mem",
    ),
    "disks and processors": (
        "backend_flush_after",
        "cpu_index_tuple_cost",
        "cpu_operator_cost",
        "cpu_tuple_cost",
        "effective_cache_size",
        "effective_io_concurrency",
        "file_copy_method",
        "io_combine_limit",
        "maintenance_io_concurrency",
        "max_parallel_maintenance_workers",
        "max_parallel_workers",
        "max_parallel_workers_per_gather",
        "min_parallel_index_scan_size",
        "min_parallel_table_scan_size",
        "parallel_leader_participation",
        "parallel_setup_cost",
        "parallel_tuple_cost",
        "random_page_cost",
        "seq_page_cost",
    ),
    "how a plan is sought once the planner may choose": (
        "default_statistics_target",
        "geqo_effort",
        "geqo_generations",
        "geqo_pool_size",
        "geqo_seed",
        "geqo_selection_bias",
    ),
    "of no effect while jit is off": (
        "jit_above_cost",
        "jit_expressions",
        "jit_inline_above_cost",
        "jit_optimize_above_cost",
        "jit_tuple_deforming",
    ),
    "of no effect on what we run": (
        "createrole_self_grant",
        "debug_logical_replication_streaming",
        "icu_validation_level",
        "local_preload_libraries",
        "md5_password_warnings",
        "password_encryption",
        "scram_iterations",
        "stats_fetch_consistency",
        "trace_notify",
        "trace_sort",
        "vacuum_cost_delay",
        "vacuum_cost_limit",
        "vacuum_cost_page_dirty",
        "vacuum_cost_page_hit",
        "vacuum_cost_page_miss",
        "vacuum_failsafe_age",
        "vacuum_freeze_min_age",
        "vacuum_freeze_table_age",
        "vacuum_max_eager_freeze_failure_rate",
        "vacuum_multixact_failsafe_age",
        "vacuum_multixact_freeze_min_age",
        "vacuum_multixact_freeze_table_age",
        "vacuum_truncate",
        "wal_sender_timeout",
    ),
    "of a server made for debugging": ("debug_pretty_print",),
}
"""What is left as the house has it, by reason; and so is what only a superuser may turn: we may not turn it back."""

ON_WORKERS = (*(name for name in TEXTS if name != "client_encoding"), *STATEMENTS, *PLANNER)
"""What a Citus coordinator has to tell its workers, to which nobody connects but itself."""

PIN = """
    SELECT
        pg_catalog.pg_backend_pid(),
        pg_catalog.to_regclass('pg_catalog.pg_dist_node') IS NOT NULL,
        pg_catalog.count(pg_catalog.set_config(name, value, %s))
    FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[]))
        AS given (name, value)
    WHERE pg_catalog.current_setting(name, true) OPERATOR(pg_catalog.<>) value
"""  # what a server does not know is NULL, and nothing to pin

KNOWN = """
    SELECT pg_catalog.array_agg(name) FROM pg_catalog.unnest(%s::pg_catalog.text[]) AS given (name)
    WHERE pg_catalog.current_setting(name, true) IS NOT NULL
"""
PASS_ON = sql.SQL("SET LOCAL citus.propagate_set_commands TO 'local'")


def begin(driver: "psycopg.Connection[Any]", *, read_only: bool, also: Mapping[str, str] | None = None) -> int:
    """Begin a transaction in which the contract holds; says which process of the server it runs in.

    What lasts no longer than the transaction holds behind a pooler, too, and leaves nothing in its sessions.
    """
    driver.isolation_level, driver.deferrable = IsolationLevel.READ_COMMITTED, False
    driver.read_only = read_only
    return _pin(driver, {**PINNED, **(also or {})}, is_local=True)


def keep(driver: "psycopg.Connection[Any]") -> int:
    """Keep the contract until the session ends, also between its transactions; says its process."""
    with suppress(pg.InvalidParameterValue), driver.transaction():  # a server on Windows cannot look after its clients
        _pin(driver, {"client_connection_check_interval": "500ms"}, is_local=False)
    with driver.transaction():
        return _pin(driver, PINNED, is_local=False)


def _pin(driver: "psycopg.Connection[Any]", settings: Mapping[str, str], *, is_local: bool) -> int:
    found = driver.execute(PIN, (is_local, list(settings), list(settings.values()))).fetchone()
    pid, is_citus = found[:2] if found else (0, False)
    if is_citus and is_local:
        _tell_workers(driver, {name: settings[name] for name in ON_WORKERS})
    return int(pid)


def _tell_workers(driver: "psycopg.Connection[Any]", settings: Mapping[str, str]) -> None:
    """Have the settings reach Citus' workers, too: it passes on what SET LOCAL says, not what a function sets."""
    known = driver.execute(KNOWN, (list(settings),)).fetchone()
    told = [
        sql.SQL("SET LOCAL {} TO {}").format(sql.Identifier(name), sql.Literal(settings[name]))
        for name in (known[0] if known else ())
    ]
    driver.execute(sql.SQL("; ").join([PASS_ON, *told]))
