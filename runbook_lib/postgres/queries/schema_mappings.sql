-- The user mappings, as a drop would name them; a service may close the view.
SELECT format('%s %s', named.type, named.identity) AS key, format('pg_user_mapping/%s/0', umid) AS address, '' AS definition
FROM pg_user_mappings
CROSS JOIN pg_identify_object('pg_user_mapping'::regclass, umid, 0) AS named
