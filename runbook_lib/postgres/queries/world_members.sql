-- Who is a member of what, as statements for another server; the options of a membership are newer than the oldest one.
SELECT format('GRANT %I TO %I', r.rolname, m.rolname)
       || coalesce(' WITH ' || nullif(concat_ws(', ', CASE WHEN admin_option THEN 'ADMIN OPTION' END,
                                                'INHERIT ' || upper(to_jsonb(a) ->> 'inherit_option'),
                                                'SET ' || upper(to_jsonb(a) ->> 'set_option')), ''), '') AS statement
FROM pg_catalog.pg_auth_members a
JOIN pg_catalog.pg_roles r ON r.oid = a.roleid
JOIN pg_catalog.pg_roles m ON m.oid = a.member
WHERE m.rolname !~ '^pg_'
ORDER BY r.rolname, m.rolname
