// The page: its frame, and the view that the address names.

import "uplot/dist/uPlot.min.css";
import "./style.css";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { list } from "./api";
import { ChangesView } from "./changes";
import { ContextProject, FIRST, useContextProject } from "./context";
import { Dag } from "./dag";
import { Guarded } from "./fault";
import { followServer, useServer } from "./following";
import { JobView } from "./job";
import { LineageView } from "./lineage";
import { useLive } from "./live";
import { MetricsView } from "./metrics";
import { Loading } from "./parts";
import { JobsView, PipelineView } from "./pipeline";
import { FilesView, RepoView } from "./repo";
import { link, type Place, toDag, usePlace } from "./router";
import { RoomView, WorkshopView } from "./workshop";

function View({ place, project }: { place: Place; project: string }) {
  const [kind = "dag", , a = "", b = ""] = place.parts;
  const path = place.query.get("path") || "/";
  switch (kind) {
    case "dag":
      return <Dag key={project} project={project} asList={place.query.get("as") === "list"} />;
    case "jobs":
      return <JobsView project={project} />;
    case "pipeline":
      return <PipelineView key={`${project}/${a}`} project={project} name={a} />;
    case "job":
      return (
        <JobView
          at={{ project, pipeline: a, id: b }}
          datum={place.query.get("datum") ?? ""}
          filter={place.query.get("filter") ?? "all"}
        />
      );
    case "repo":
      return <RepoView project={project} name={a} until={place.query.get("until") ?? ""} />;
    case "files":
      return <FilesView key={b + path} at={{ project, repo: a, commit: b, path }} />;
    case "changes":
      return <ChangesView project={project} repo={a} commit={b} />;
    case "workshop":
      return <WorkshopView project={project} />;
    case "room":
      return <RoomView project={project} />;
    case "lineage":
      return <LineageView at={{ project, repo: a, commit: b, path }} />;
    case "metrics":
      return <MetricsView project={project} repo={a} compared={place.query.get("compare") ?? ""} />;
    default:
      return (
        <p class="problem">
          There is no such view. <a href={toDag()}>To the DAG</a>
        </p>
      );
  }
}

function NoProject({ name, others }: { name: string; others: string[] }) {
  return (
    <p class="problem">
      There is no project {name}.{" "}
      {others.map((other) => (
        <span key={other}>
          <a href={link(["dag", other])}>To {other}</a>{" "}
        </span>
      ))}
    </p>
  );
}

type Theme = "" | "light" | "dark";

function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState<Theme>((localStorage.getItem("theme") ?? "") as Theme);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
  }, [theme]);
  const isDark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const next = (theme || (isDark ? "dark" : "light")) === "dark" ? "light" : "dark";
  return [theme, () => setTheme(next)];
}

function Page() {
  const place = usePlace();
  const { gone } = useServer();
  const [, turn] = useTheme();
  const projects = useLive(
    (signal) => list<{ project: { name: string } }>("pfs_v2.API/ListProject", {}, signal),
    [],
    ["PROJECTS"],
  );
  const ours = useContextProject();
  const kind = place.parts[0] ?? "dag";
  useEffect(() => {
    document.title = [...place.parts.slice(2).slice(0, 1), kind, "pachlocal"].join(" · ");
  }, [place, kind]);
  const known = projects.data?.map((one) => one.project.name);
  const project = place.parts[1] ?? firstOf(ours, known, projects.error !== undefined);
  const isMissing = known !== undefined && project && !known.includes(project);
  const names = [...new Set([project, ...(known ?? [])])].filter(Boolean);
  return (
    <>
      <button type="button" class="skip" onClick={toView}>
        To the content
      </button>
      <header class="top">
        <a class="brand" href={link(["dag", project])}>
          pachlocal
        </a>
        <select
          aria-label="Project"
          value={project}
          onChange={(event) => {
            window.location.hash = inProject(place, event.currentTarget.value);
          }}
        >
          {names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <nav aria-label="Views">
          {[
            ["dag", "DAG"],
            ["jobs", "Jobs"],
            ["metrics", "Metrics"],
            ["workshop", "Workshop"],
          ].map(([name = "", label]) => (
            <a
              key={name}
              href={link([name, project])}
              aria-current={
                name === kind || (name === "workshop" && kind === "room") ? "page" : undefined
              }
            >
              {label}
            </a>
          ))}
        </nav>
        <span class="grow" />
        <button type="button" class="plain" onClick={turn} aria-label="Light or dark">
          ◑
        </button>
      </header>
      {gone && (
        <p class="gone" role="alert">
          The server doesn't answer. What is shown is from before; it goes on by itself when the
          server is back (<code>pachlocal up</code>).
        </p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by the keyboard */}
      <main id="view" tabIndex={0} class={kind === "dag" ? "full" : ""}>
        <Guarded address={place.parts.join("/")}>
          <ContextProject.Provider value={ours}>
            {!project && <Loading />}
            {project && isMissing && <NoProject name={project} others={known} />}
            {project && !isMissing && <View place={place} project={project} />}
          </ContextProject.Provider>
        </Guarded>
      </main>
    </>
  );
}

/** The project that is shown when the address names none: the context's, if the server has it. */
function firstOf(ours: string | undefined, known: string[] | undefined, failed: boolean): string {
  if (ours === undefined || !(known || failed)) return ""; // it isn't known yet
  return known?.includes(ours) ? ours : FIRST;
}

const WIDE = ["dag", "jobs", "metrics", "workshop", "room"]; // views of a whole project

/** The link to the view that is shown, in another project; to its DAG from what it may not have. */
function inProject({ parts: [kind = ""], query }: Place, project: string): string {
  const isList = kind === "dag" && query.get("as") === "list";
  return link([WIDE.includes(kind) ? kind : "dag", project], isList ? { as: "list" } : {});
}

function toView() {
  document.getElementById("view")?.focus();
}

const place = document.getElementById("page");
if (place) {
  render(<Page />, place);
  followServer();
}
