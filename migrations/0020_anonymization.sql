-- Receipts say whether profiles were erased or anonymised. Adding the column takes no time. The previous release still works:
-- it reads and writes the receipts of erasures only, without the kind.

ALTER TABLE erasures ADD COLUMN kind text DEFAULT 'erasure' NOT NULL,
    ADD CONSTRAINT erasure_kind_is_known CHECK (kind IN ('erasure', 'anonymization'));
