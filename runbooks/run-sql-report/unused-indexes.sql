-- Indexes that were never read since the statistics were last reset, without those that keep rows unique.
SELECT s.schemaname AS schema,
       s.relname AS "table",
       s.indexrelname AS "index",
       pg_relation_size(s.indexrelid) AS bytes,
       s.idx_scan AS reads
FROM pg_stat_user_indexes s
JOIN pg_index i ON i.indexrelid = s.indexrelid
WHERE s.idx_scan = 0
  AND NOT i.indisunique
ORDER BY bytes DESC, schema, "table", "index"
LIMIT $1
