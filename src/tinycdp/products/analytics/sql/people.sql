-- name: strongest_identifiers
-- Of each profile the identifiers of its strongest kind. `strongest` has the kinds in order.
-- args: environment_id integer, profile_ids bigint[], strongest text[]
-- index: identifiers_of_profile
SELECT kind, value
FROM (
    SELECT kind, value, rank() OVER (
        PARTITION BY profile_id ORDER BY coalesce(array_position($3::text[], kind), 1000), kind) AS place
    FROM identifiers
    WHERE environment_id = $1 AND profile_id = ANY ($2::bigint[])
) AS found
WHERE place = 1;
