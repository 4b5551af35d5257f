-- Everyone who bought, with what they spent and the segments they are in.
SELECT
    p.person_id AS person_id,
    p.segments AS segments,
    count() AS purchases,
    min(e.occurred_at) AS first_at,
    max(e.occurred_at) AS last_at
FROM {{ source('tinycdp', 'events') }} AS e
INNER JOIN {{ source('tinycdp', 'people') }} AS p ON p.person_id = e.person_id
WHERE e.name = 'purchase'
GROUP BY person_id, segments
