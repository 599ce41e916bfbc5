// The workshop: its steps, what is done and what comes next; and who is at which step.

import { fetched } from "./api";
import { Now } from "./clock";
import { useProjectOption } from "./context";
import type { Kind } from "./following";
import { ago } from "./format";
import { useLive } from "./live";
import { Failed, Loading } from "./parts";
import { link } from "./router";

const SHOWN: Kind[] = ["REPOS", "COMMITS", "PIPELINES", "JOBS"];
const SHOWN_OF_ALL: Kind[] = ["PROJECTS", ...SHOWN];

type Progress = "done" | "running" | "failed" | "open";

interface Step {
  number: number;
  title: string;
  time: string;
  optional: boolean;
  progress: Progress;
  next: boolean;
  found: string;
  commands: string[];
}

interface Learner {
  project: string;
  step: string;
  progress: Progress;
  found: string;
  lastCommit: string | null;
}

const SIGNS: Record<Progress, [string, string]> = {
  done: ["good", "✓"],
  running: ["busy", "◐"],
  failed: ["bad", "✕"],
  open: ["idle", "○"],
};

function Sign({ progress, brief = false }: { progress: Progress; brief?: boolean }) {
  const [tone, sign] = SIGNS[progress];
  return (
    <span class={`state ${tone}`}>
      <span aria-hidden="true">{sign}</span> <span class={brief ? "hidden" : ""}>{progress}</span>
    </span>
  );
}

export function WorkshopView({ project }: { project: string }) {
  const { data, error } = useLive(
    (signal) => fetched<Step[]>(`/workshop/steps/${encodeURIComponent(project)}`, signal),
    [project],
    SHOWN,
  );
  const option = useProjectOption(project);
  if (error) return <Failed error={error} />;
  if (!data) return <Loading />;
  const typed = (line: string) =>
    line.includes("pachctl ") && !line.endsWith(" transaction") ? line + option : line;
  const next = data.find((step) => step.next);
  return (
    <section class="page">
      <header class="head">
        <h1>The Iris workshop</h1>
        <span class="quiet" role="status">
          {next && !next.optional ? `Step ${next.number} comes next.` : "All steps are done."}
        </span>
        <span class="grow" />
        <a class="button" href={link(["room", project])}>
          Who is at which step
        </a>
      </header>
      <p>
        Type the commands in the workshop's folder. <code>pachlocal workshop reset STEP</code> goes
        to the start of any step
        {option && (
          <>
            {" "}
            in the context's project, which <code>pachctl config update context{option}</code> makes
            this one
          </>
        )}
        .
      </p>
      <ol class="steps">
        {data.map((step) => (
          <li key={step.number} class={step === next ? "now" : ""}>
            <Sign progress={step.progress} brief />
            <div>
              <h2>
                {step.number}. {step.title}
                {step.optional && " (optional)"}
              </h2>
              <p class="quiet">{step.found}</p>
              {step === next && <p class="quiet">Takes {step.time}</p>}
              {step === next && <pre>{step.commands.map(typed).join("\n")}</pre>}
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** Where everybody is, when each learner has a project of the server. */
export function RoomView({ project }: { project: string }) {
  const { data, error } = useLive(
    (signal) => fetched<Learner[]>("/workshop/room", signal),
    [],
    SHOWN_OF_ALL,
  );
  if (error) return <Failed error={error} />;
  if (!data) return <Loading />;
  return (
    <section class="page">
      <header class="head">
        <h1>Who is at which step</h1>
        <span class="grow" />
        <a class="button" href={link(["workshop", project])}>
          The steps
        </a>
      </header>
      {data.length ? (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>Project</th>
                <th>Step</th>
                <th>Progress</th>
                <th>Last commit</th>
                <th>Found</th>
              </tr>
            </thead>
            <tbody>
              {data.map((one) => (
                <tr key={one.project}>
                  <td>
                    <a href={link(["workshop", one.project])}>{one.project}</a>
                  </td>
                  <td>{one.step}</td>
                  <td>
                    <Sign progress={one.progress} />
                  </td>
                  <td title={one.lastCommit ?? ""}>
                    {one.lastCommit ? <Now text={() => ago(one.lastCommit)} /> : "-"}
                  </td>
                  <td class="why">{one.found}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="quiet">
          No learner has a project yet. Each works in one of their own:{" "}
          <code>pachctl create project anna</code>, then{" "}
          <code>pachctl config update context --project anna</code>.
        </p>
      )}
    </section>
  );
}
