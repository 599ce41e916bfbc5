// How figures, times and states are shown.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes, as pachctl writes them. */
export function size(bytes: string | number): string {
  let number = Number(bytes);
  let unit = 0;
  while (number >= 1024 && unit < UNITS.length - 1) {
    number /= 1024;
    unit += 1;
  }
  const digits = unit === 0 ? String(number) : String(Number(number.toPrecision(4)));
  return `${digits} ${UNITS[unit]}`;
}

/** A number of things. */
export const count = (number: number, thing: string) =>
  `${number} ${thing}${number === 1 ? "" : "s"}`;

/** A google.protobuf.Duration, in seconds. */
export function seconds(duration: string | null | undefined): number {
  return duration ? Number.parseFloat(duration) : 0;
}

/** A span of time. */
export function span(time: number): string {
  if (time < 0.001) return "0 s";
  if (time < 1) return `${Math.round(time * 1000)} ms`;
  if (time < 60) return `${time.toFixed(1)} s`;
  if (time < 3600) return `${Math.floor(time / 60)} min ${Math.round(time % 60)} s`;
  return `${Math.floor(time / 3600)} h ${Math.round((time % 3600) / 60)} min`;
}

/** The seconds between two times; the later one may be now. */
export function between(from: string | null, to: string | null): number {
  if (!from) return 0;
  return (to ? Date.parse(to) : Date.now()) / 1000 - Date.parse(from) / 1000;
}

/** How long ago something was. */
export function ago(time: string | null): string {
  if (!time) return "";
  const passed = Math.max(0, between(time, null));
  if (passed < 5) return "just now";
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 48 * 3600) return `${Math.floor(passed / 3600)} h ago`;
  return `${Math.floor(passed / 86400)} days ago`;
}

/** A time of day with its date. */
export function moment(time: string | null): string {
  return time ? new Date(time).toLocaleString() : "";
}

export const short = (id: string) => id.slice(0, 8);

export type Tone = "good" | "bad" | "busy" | "idle" | "warn";

const TONES: Record<string, [Tone, string, string]> = {
  JOB_CREATED: ["busy", "○", "created"],
  JOB_STARTING: ["busy", "○", "waiting"],
  JOB_RUNNING: ["busy", "◐", "running"],
  JOB_FAILURE: ["bad", "✕", "failed"],
  JOB_SUCCESS: ["good", "✓", "success"],
  JOB_KILLED: ["warn", "■", "killed"],
  JOB_EGRESSING: ["busy", "◐", "egressing"],
  JOB_FINISHING: ["busy", "◐", "finishing"],
  JOB_UNRUNNABLE: ["bad", "✕", "unrunnable"],
  PIPELINE_STARTING: ["busy", "○", "starting"],
  PIPELINE_RUNNING: ["good", "●", "running"],
  PIPELINE_RESTARTING: ["warn", "↻", "restarting"],
  PIPELINE_FAILURE: ["bad", "✕", "failed"],
  PIPELINE_PAUSED: ["idle", "❚❚", "paused"],
  PIPELINE_STANDBY: ["idle", "◌", "standby"],
  PIPELINE_CRASHING: ["bad", "✕", "crashing"],
  FAILED: ["bad", "✕", "failed"],
  SUCCESS: ["good", "✓", "success"],
  SKIPPED: ["idle", "↷", "skipped"],
  STARTING: ["busy", "◐", "starting"],
  RECOVERED: ["warn", "↺", "recovered"],
};

/** How a state is shown: its tone, its sign and its word. */
export function state(name: string): { tone: Tone; sign: string; word: string } {
  const [tone, sign, word] = TONES[name] ?? ["idle", "·", name.toLowerCase().replace(/^.*_/, "")];
  return { tone, sign, word };
}

export const isOver = (name: string) =>
  ["JOB_SUCCESS", "JOB_FAILURE", "JOB_KILLED", "JOB_UNRUNNABLE"].includes(name);
