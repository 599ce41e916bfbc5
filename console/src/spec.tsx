// A pipeline's spec: looked at, changed, and what the change would run before it is made.

import { useState } from "preact/hooks";
import { ApiError, call, UNIMPLEMENTED } from "./api";
import { useAttempt } from "./attempt";

interface Review {
  warnings: string[];
  notes: string[];
}

interface Planned {
  pipeline: { name: string };
  run: string;
  skip: string;
  depend: string;
  vanish: string;
  reasons: { fate: string; reason: string; datums: string }[];
  notes: string[];
}

interface Plans {
  text: string;
  reprocess: boolean;
  review: Review;
  jobs: Planned[];
}

/** What a spec would do to a version of the pipeline. */
interface Checked extends Plans {
  version: string;
}

const nameIn = (spec: string): unknown => JSON.parse(spec)?.pipeline?.name;

/** Ask what a spec would do; a server that can't tell says nothing. */
async function check(text: string, reprocess: boolean, spec: string): Promise<Plans> {
  const name = nameIn(spec);
  if (nameIn(text) !== name) {
    throw new Error(`The pipeline's name must stay ${name}; pachctl create pipeline makes others.`);
  }
  const planned = { specJson: text, update: true, reprocess };
  try {
    const [review, plan] = await Promise.all([
      call<Review>("pachlocal.v1.Local/ReviewPipeline", planned),
      call<{ jobs: Planned[] }>("pachlocal.v1.Local/PlanPipelines", { pipelines: [planned] }),
    ]);
    return { text, reprocess, review, jobs: plan.jobs };
  } catch (problem) {
    if (!(problem instanceof ApiError && problem.code === UNIMPLEMENTED)) throw problem;
    const review = { warnings: [], notes: ["This server doesn't plan; the spec is JSON."] };
    return { text, reprocess, review, jobs: [] };
  }
}

/** A spec that is being typed, and the version of the pipeline that it began from. */
export interface Draft {
  text: string;
  version: string;
}

export function Spec({
  spec,
  version,
  draft,
  setDraft,
  done,
}: {
  spec: string;
  version: string;
  draft: Draft | undefined;
  setDraft: (draft?: Draft) => void;
  done: () => void;
}) {
  const text = draft?.text;
  const begin = () => setDraft({ text: spec, version });
  const [reprocess, setReprocess] = useState(false);
  const [checked, setChecked] = useState<Checked>();
  const { attempt, failure } = useAttempt();
  const isChecked =
    checked?.text === text && checked?.reprocess === reprocess && checked?.version === version;
  const isOutdated = draft !== undefined && draft.version !== version;
  const apply = () =>
    attempt(async () => {
      const request = { createPipelineRequestJson: text, update: true, reprocess };
      await call("pps_v2.API/CreatePipelineV2", request);
      setDraft();
      setChecked(undefined);
      done();
    });
  return (
    <>
      <div class="tools">
        <h2>Spec</h2>
        {text === undefined ? (
          <button type="button" onClick={begin}>
            Edit
          </button>
        ) : (
          <>
            <label>
              <input
                type="checkbox"
                checked={reprocess}
                onChange={(event) => setReprocess(event.currentTarget.checked)}
              />{" "}
              reprocess every datum
            </label>
            <button
              type="button"
              onClick={() =>
                attempt(async () =>
                  setChecked({ ...(await check(text, reprocess, spec)), version }),
                )
              }
            >
              See what it would run
            </button>
            <button type="button" disabled={!isChecked} onClick={apply}>
              Apply
            </button>
            <button type="button" onClick={() => setDraft()}>
              Leave it
            </button>
          </>
        )}
      </div>
      {failure}
      <p class="problem" role="status" hidden={!isOutdated}>
        {isOutdated && (
          <>
            The pipeline has changed meanwhile: it is version {version} now, and this text began
            from version {draft.version}.{" "}
            <button type="button" onClick={begin}>
              Load the spec of version {version} instead
            </button>
          </>
        )}
      </p>
      {text === undefined ? (
        <pre class="code">{spec}</pre>
      ) : (
        <>
          {checked && isChecked && <Plan of={checked} />}
          <textarea
            class="editor"
            aria-label="The spec"
            spellcheck={false}
            value={text}
            onInput={(event) => draft && setDraft({ ...draft, text: event.currentTarget.value })}
          />
        </>
      )}
    </>
  );
}

function Plan({ of }: { of: Checked }) {
  return (
    <div role="status">
      {of.review.warnings.map((line) => (
        <p key={line} class="problem">
          {line}
        </p>
      ))}
      {of.review.notes.map((line) => (
        <p key={line} class="quiet">
          {line}
        </p>
      ))}
      {of.jobs.map((job) => (
        <p key={job.pipeline.name}>
          <b>{job.pipeline.name}</b>: {job.run} would run, {job.skip} would be skipped
          {job.depend !== "0" && `, ${job.depend} depend on others`}
          {job.vanish !== "0" && `, results of ${job.vanish} would go`}
          {job.reasons.map((one) => (
            <span key={one.fate + one.reason} class="quiet">
              <br />
              {one.datums}: {one.reason}
            </span>
          ))}
        </p>
      ))}
    </div>
  );
}
