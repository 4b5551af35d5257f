-- Words of stored policies: sampling by "profile" (it was "person"), and "unmentioned": "denied" (it was "unsaid":
-- "refused"). Every version is rewritten, so that the history can still be read. A few rows per environment.
UPDATE policies
SET document = jsonb_set(document::jsonb, '{sampling}', (
    SELECT jsonb_agg(CASE WHEN rule->>'by' = 'person' THEN jsonb_set(rule, '{by}', '"profile"') ELSE rule END ORDER BY n)
    FROM jsonb_array_elements(document::jsonb->'sampling') WITH ORDINALITY AS sampling (rule, n)
))::json
WHERE name = 'limits' AND document::jsonb->'sampling' @> '[{"by": "person"}]';

UPDATE policies
SET document = (document::jsonb - 'unsaid' || jsonb_build_object('unmentioned',
    CASE document::jsonb->>'unsaid' WHEN 'refused' THEN 'denied' ELSE 'granted' END))::json
WHERE name = 'privacy' AND document::jsonb ? 'unsaid';
