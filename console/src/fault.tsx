// A view that fails while it is drawn: the rest of the page stays, and there are ways out.

import type { ComponentChildren } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";
import { said } from "./attempt";
import { toDag } from "./router";

/**
 * Draw a view, or say that it has failed.
 *
 * @param address - Which view it is: another one is drawn anew.
 */
export function Guarded({ address, children }: { address: string; children: ComponentChildren }) {
  const [problem, again] = useErrorBoundary((error) => console.error(error));
  useEffect(again, [address]);
  if (problem === undefined) return <>{children}</>;
  return (
    <p class="problem" role="alert">
      This view can't be drawn, which is a fault of the page: {said(problem)}{" "}
      <button type="button" onClick={again}>
        Try again
      </button>{" "}
      <a href={toDag()}>To the DAG</a>
    </p>
  );
}
