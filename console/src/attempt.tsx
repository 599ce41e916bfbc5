// What somebody does by a button: if it fails, the page says why.

import type { JSX } from "preact";
import { useState } from "preact/hooks";

export const said = (problem: unknown) =>
  problem instanceof Error ? problem.message : String(problem);

/** Do things, and show what went wrong with the last one. */
export function useAttempt(): {
  attempt: (act: () => Promise<unknown>) => Promise<void>;
  failure: JSX.Element | null;
} {
  const [problem, setProblem] = useState("");
  const attempt = async (act: () => Promise<unknown>) => {
    setProblem("");
    try {
      await act();
    } catch (error) {
      setProblem(said(error));
    }
  };
  const failure = problem ? (
    <p class="problem" role="alert">
      {problem}
    </p>
  ) : null;
  return { attempt, failure };
}
