"""Say which rows are in the way of a unique index: their keys, and how many of each."""

from runbook_lib.postgres.connection import Connection
from runbook_lib.postgres.queries import load

_SHOWN = 5


def describe(connection: Connection, index_oid: int) -> str:
    """Return the keys that more than one row has, the most frequent first.

    ``index_oid`` is the index that a concurrent build left behind invalid: what it compares is read
    from the catalog.
    """
    (row,) = connection.rows(load("index_keys"), {"oid": index_oid})
    keys = ", ".join(row["keys"])
    wanted = [f"({row['condition']})"]
    if not row["nulls_equal"]:
        wanted += [f"({key}) IS NOT NULL" for key in row["keys"]]
    shown_keys = ", ".join(f"coalesce(({key})::text, 'NULL')" for key in row["keys"])
    found = connection.rows(
        f"SELECT concat_ws(', ', {shown_keys}) AS key, count(*) AS rows, count(*) OVER () AS keys"  # noqa: S608
        f" FROM {row['table']} WHERE {' AND '.join(wanted)} GROUP BY {keys} HAVING count(*) > 1"
        f" ORDER BY count(*) DESC, 1 LIMIT {_SHOWN}"
    )
    if not found:
        return "No duplicate is there any more."
    shown = "; ".join(f"({item['key']}) in {item['rows']} rows" for item in found)
    more = f"; and {found[0]['keys'] - len(found)} more keys" if len(found) == _SHOWN else ""
    return f"Duplicates of ({keys}): {shown}{more if found[0]['keys'] > len(found) else ''}."
