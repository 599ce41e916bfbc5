// Small parts that several views have.

import type { ComponentChildren } from "preact";
import type { ApiError } from "./api";
import { DATA_LOSS, NOT_FOUND } from "./api";
import { count, state } from "./format";
import { toDag } from "./router";
import type { Part } from "./times";

export function State({ name, title = "" }: { name: string; title?: string }) {
  const { tone, sign, word } = state(name);
  return (
    <span class={`state ${tone}`} title={title || undefined}>
      <span aria-hidden="true">{sign}</span> {word}
    </span>
  );
}

export function Problem({ error }: { error: ApiError }) {
  return (
    <div class="problem" role="alert">
      <p>{error.message}</p>
      {error.code === NOT_FOUND && (
        <p>
          It may have been deleted meanwhile. <a href={toDag()}>Back to the DAG</a>
        </p>
      )}
      {error.code === DATA_LOSS && (
        <p>
          To put the same file again heals it; <code>pachctl fsck</code> says what else is damaged.
        </p>
      )}
    </div>
  );
}

/** A view that can't be shown. */
export function Failed({ error }: { error: ApiError }) {
  return (
    <section class="page">
      <h1>This can't be shown</h1>
      <Problem error={error} />
    </section>
  );
}

export function Loading() {
  return <p class="quiet">Loading…</p>;
}

/** How much a search has found, also for those who hear the page; nothing before there is one. */
export function Hits({ of, none }: { of: number | ""; none: string }) {
  return (
    <span class="quiet" role="status">
      {of === "" ? "" : of ? count(of, "hit") : none}
    </span>
  );
}

export function Trail({ children }: { children: ComponentChildren }) {
  return (
    <nav class="trail" aria-label="Where this is">
      {children}
    </nav>
  );
}

export function Figures({ of }: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="figures">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const tint = (part: Part) => `p-${part.name.replace(" ", "-")}`;
const LEAST = 0.001; // seconds that a brief bar has words for

/** Where the time went: parts of a bar, each also in words. */
export function TimeBar({
  parts,
  text,
  brief = false,
}: {
  parts: Part[];
  text: (time: number) => string;
  brief?: boolean;
}) {
  const whole = parts.reduce((sum, part) => sum + part.time, 0);
  if (whole <= 0) return null;
  return (
    <div class="timebar">
      <div class="bar" aria-hidden="true">
        {parts.map((part) =>
          part.time > 0 ? (
            <span
              key={part.name}
              class={`part ${tint(part)}`}
              style={{ width: `${(100 * part.time) / whole}%` }}
            />
          ) : null,
        )}
      </div>
      <ul aria-label="Where the time went">
        {parts
          .filter((part) => !brief || part.time >= LEAST)
          .map((part) => (
            <li key={part.name}>
              <span class={`dot ${tint(part)}`} aria-hidden="true" />
              {part.name} <b>{text(part.time)}</b>
            </li>
          ))}
      </ul>
    </div>
  );
}

export function Progress({ done, failed, total }: { done: number; failed: number; total: number }) {
  if (!total) return null;
  return (
    <progress
      class={failed ? "bad" : ""}
      max={total}
      value={done}
      aria-label={`${done} of ${total} datums`}
    />
  );
}
