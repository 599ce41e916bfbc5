// The API as the front serves it: one function for an answer, one for a stream.

/** What went wrong, in the server's words. */
export class ApiError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export const NOT_FOUND = 5;
export const UNIMPLEMENTED = 12;
export const UNAVAILABLE = 14;
export const DATA_LOSS = 15;

const AWAY = "The page's server doesn't answer.";

interface Status {
  code?: number;
  message?: string;
}

async function post(call: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`/api/${call}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
  } catch (problem) {
    if (signal?.aborted) throw problem;
    throw new ApiError(UNAVAILABLE, AWAY);
  }
  if (!answer.ok) {
    if (answer.status === 401) throw new ApiError(16, (await answer.text()).trim());
    const text = await answer.text();
    let status: Status & { error?: Status } = {};
    try {
      status = JSON.parse(text);
    } catch {
      // a response that isn't JSON is not from the API
    }
    const said = status.error ?? status;
    throw new ApiError(said.code ?? 2, said.message || text || answer.statusText);
  }
  return answer;
}

/** Make a call that has one answer. */
export async function call<T>(name: string, body: unknown = {}, signal?: AbortSignal): Promise<T> {
  const answer = await post(name, body, signal);
  return (await answer.json()) as T;
}

/** Make a call that has many answers, and take each as it comes. */
export async function stream<T>(
  name: string,
  body: unknown,
  take: (message: T) => void,
  signal?: AbortSignal,
): Promise<void> {
  const answer = await post(name, body, signal);
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (reader) {
    const { value, done } = await reader.read().catch((problem) => {
      if (signal?.aborted) throw problem;
      throw new ApiError(UNAVAILABLE, "The page's server has gone.");
    });
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line) continue;
      const entry = JSON.parse(line) as { result?: T; error?: Status };
      if (entry.error) throw new ApiError(entry.error.code ?? 2, entry.error.message ?? "");
      take(entry.result as T);
    }
  }
}

/** Make a call that has many answers, and return them all. */
export async function list<T>(name: string, body: unknown, signal?: AbortSignal): Promise<T[]> {
  const found: T[] = [];
  await stream<T>(name, body, (message) => found.push(message), signal);
  return found;
}

/** The address of a file's content. */
export function fileUrl(commit: { project: string; repo: string; id: string }, path: string) {
  const parts = path.replace(/^\//, "").split("/").map(encodeURIComponent).join("/");
  return `/pfs/${commit.project}/${commit.repo}/${encodeURIComponent(commit.id)}/${parts}`;
}

/** Make a request that isn't of the API, and throw what went wrong as the API does. */
async function ask(url: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init).catch((problem) => {
    if (init.signal?.aborted) throw problem;
    throw new ApiError(UNAVAILABLE, AWAY);
  });
  if (answer.ok || answer.status === 416) return answer;
  const code = Number(answer.headers.get("grpc-status") ?? 2);
  throw new ApiError(code, (await answer.text()).trim());
}

/** Get JSON that isn't of the API. */
export async function fetched<T>(url: string, signal: AbortSignal): Promise<T> {
  return (await ask(url, { signal })).json();
}

/** Put a file, in a commit of its own. */
export const putFile = (url: string, body: Blob) => ask(url, { method: "PUT", body });

/** Delete a file, in a commit of its own. */
export const deleteFile = (url: string) => ask(url, { method: "DELETE" });

/** A file's first bytes as text, and whether there are more. */
export async function fileText(
  url: string,
  most: number,
  signal?: AbortSignal,
): Promise<{ bytes: Uint8Array; whole: boolean }> {
  const answer = await ask(url, { headers: { range: `bytes=0-${most - 1}` }, signal });
  if (answer.status === 416) return { bytes: new Uint8Array(), whole: true };
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const size = Number(answer.headers.get("content-range")?.split("/")[1] ?? bytes.length);
  return { bytes, whole: size <= bytes.length };
}
