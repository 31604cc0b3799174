-- Dashboards of the first vendors, four widgets each.
INSERT INTO "dashboards" (
    "id", "userId", "name", "layout", "isShared", "isDefault", "createdAt", "updatedAt")
SELECT 'dsh_' || lpad(n::text, 7, '0'),
       'usr_' || lpad((1 + 60 * (n % vendors))::text, 7, '0'),
       'Dashboard ' || n,
       '{"columns": 2}',
       n % 4 = 0,
       n % 2 = 1,
       TIMESTAMP '2024-09-01',
       TIMESTAMP '2024-09-01'
FROM (SELECT count(*) / 60 + least(1, count(*) % 60) AS vendors FROM "users") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(20 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

INSERT INTO "dashboard_widgets" (
    "id", "dashboardId", "type", "title", "metric", "position", "createdAt", "updatedAt")
SELECT 'wdg_' || right("id", 7) || '_' || k,
       "id",
       (ARRAY['NUMBER', 'LINE', 'BAR', 'TABLE'])[k]::"WidgetType",
       (ARRAY['Revenue', 'Orders', 'Visitors', 'Returns'])[k],
       (ARRAY['revenue', 'orders', 'visitors', 'returns'])[k],
       k,
       "createdAt",
       "createdAt"
FROM "dashboards"
CROSS JOIN generate_series(1, 4) AS k;

-- Four metrics an hour, back from the fixed day.
INSERT INTO "dashboard_metrics" ("id", "metric", "value", "recordedAt", "createdAt")
SELECT 'dmt_' || lpad(n::text, 7, '0'),
       (ARRAY['revenue', 'orders', 'visitors', 'returns'])[1 + n % 4],
       n * 7919 % 10007 / 10.0,
       TIMESTAMP '2024-12-01' - n / 4 * interval '1 hour',
       TIMESTAMP '2024-12-01' - n / 4 * interval '1 hour'
FROM generate_series(
    1, greatest(1, round(4000 * current_setting('runbook.scale')::numeric))::bigint
) AS n;

INSERT INTO "analytics_reports" (
    "id", "requestedById", "name", "format", "fileUrl", "completedAt", "createdAt")
SELECT 'rpt_' || lpad(n::text, 7, '0'),
       'usr_' || lpad((1 + n * 31 % users)::text, 7, '0'),
       'Report ' || n,
       (ARRAY['CSV', 'XLSX', 'PDF', 'JSON'])[1 + n % 4]::"ReportFormat",
       CASE WHEN n % 5 > 0 THEN 'https://files.example.com/' || n END,
       CASE WHEN n % 5 > 0 THEN TIMESTAMP '2024-11-30' END,
       TIMESTAMP '2024-11-29'
FROM (SELECT count(*) AS users FROM "users") AS parent
CROSS JOIN generate_series(
    1, greatest(1, round(30 * current_setting('runbook.scale')::numeric))::bigint
) AS n;
