-- What has been open longest. Statements of others are shown only to roles that may see them (pg_read_all_stats).
SELECT pid,
       usename AS login,
       application_name AS application,
       state,
       date_trunc('second', clock_timestamp() - xact_start)::text AS open_for,
       wait_event_type AS waits_for,
       left(query, 200) AS statement
FROM pg_stat_activity
WHERE xact_start IS NOT NULL
  AND datname = current_database()
  AND pid <> pg_backend_pid()
ORDER BY xact_start
LIMIT $1
