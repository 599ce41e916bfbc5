// The context of the command line, which commands that are shown must fit.

import { createContext } from "preact";
import { useContext, useEffect } from "preact/hooks";
import { fetched } from "./api";
import { useLive } from "./live";

export const FIRST = "default"; // the project of a context that names none

/** The project that commands are about if they name none; undefined while it isn't known. */
export const ContextProject = createContext<string | undefined>(undefined);

/** Ask for the context's project; again when somebody comes back to the page, from a terminal maybe. */
export function useContextProject(): string | undefined {
  const { data, error, reload } = useLive(
    (signal) => fetched<{ project: string }>("/context", signal),
    [],
  );
  useEffect(() => {
    window.addEventListener("focus", reload);
    return () => window.removeEventListener("focus", reload);
  }, []);
  return error ? FIRST : data?.project;
}

/** What a command ends with to be about a project: nothing where it is so anyway. */
export function useProjectOption(project: string): string {
  return useContext(ContextProject) === project ? "" : ` --project ${project}`;
}
