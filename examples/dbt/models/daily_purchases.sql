-- Purchases and revenue of each day.
SELECT
    toDate(occurred_at) AS day,
    count() AS purchases,
    uniqExact(person_id) AS buyers,
    sum(toDecimal128OrZero(toString(properties.amount), 9)) AS revenue
FROM {{ source('tinycdp', 'events') }}
WHERE name = 'purchase'
GROUP BY day
ORDER BY day
