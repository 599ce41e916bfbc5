-- The records of a pipeline's datums are on a branch with the name of its output branch.

UPDATE OR IGNORE branches SET name = (
    SELECT json_extract(v.effective_spec, '$.output_branch')
    FROM repos r JOIN projects j ON j.id = r.project_id
    JOIN pipelines p ON p.project = j.name AND p.name = r.name
    JOIN pipeline_versions v ON v.pipeline_id = p.id AND v.version = p.version
    WHERE r.id = branches.repo_id
)
WHERE name = 'master' AND EXISTS (
    SELECT 1 FROM repos r JOIN projects j ON j.id = r.project_id
    JOIN pipelines p ON p.project = j.name AND p.name = r.name
    WHERE r.id = branches.repo_id AND r.type = 'meta'
);
