// Which view is shown: the part of the address after "#".

import { useLayoutEffect, useState } from "preact/hooks";

export interface Place {
  parts: string[];
  query: URLSearchParams;
}

/** A part of an address; one that somebody has cut is taken as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function read(): Place {
  const [path = "", query = ""] = window.location.hash.slice(1).split("?");
  return {
    parts: path.split("/").filter(Boolean).map(decoded),
    query: new URLSearchParams(query),
  };
}

/** The place that is shown; a change of it shows another. */
export function usePlace(): Place {
  const [place, setPlace] = useState(read);
  // Before the page is painted: an address that changed between would be missed for ever.
  useLayoutEffect(() => {
    const change = () => setPlace(read());
    window.addEventListener("hashchange", change);
    return () => window.removeEventListener("hashchange", change);
  }, []);
  return place;
}

/** The link to a place. */
export function link(parts: string[], query: Record<string, string> = {}): string {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `#/${parts.map(encodeURIComponent).join("/")}${asked ? `?${asked}` : ""}`;
}

/** The link to this place with other answers in its query. */
export function here(changes: Record<string, string>): string {
  const { parts, query } = read();
  return link(parts, { ...Object.fromEntries(query), ...changes });
}

/**
 * A choice of the view that is shown, which the address keeps for a reload, the way back and others.
 *
 * It is no step of its own on the way back.
 */
export function useChoice(name: string): [string, (value: string) => void] {
  const choose = (value: string) => {
    window.history.replaceState(null, "", here({ [name]: value }));
    window.dispatchEvent(new Event("hashchange"));
  };
  return [usePlace().query.get(name) ?? "", choose];
}

/** The link to the DAG of the project that is shown. */
export const toDag = () => link(["dag", ...read().parts.slice(1, 2)]);
export const toPipeline = (project: string, name: string) => link(["pipeline", project, name]);
export const toJob = (project: string, pipeline: string, id: string) =>
  link(["job", project, pipeline, id]);
/** The link to a repo, or to what it had at a time. */
export const toRepo = (project: string, name: string, until = "") =>
  link(["repo", project, name], { until });
export const toFile = (project: string, repo: string, commit: string, path: string) =>
  link(["files", project, repo, commit], { path });
export const toDatum = (project: string, pipeline: string, job: string, datum: string) =>
  link(["job", project, pipeline, job], { datum });
