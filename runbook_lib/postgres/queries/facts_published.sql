-- Whether a publication takes the changes and deletions of every table, new ones too.
SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE puballtables AND (pubupdate OR pubdelete))
