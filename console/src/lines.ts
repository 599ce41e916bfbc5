// The lines of logs: many in a message where the server has that, else one by one.

import { ApiError, NOT_FOUND, stream, UNIMPLEMENTED } from "./api";
import type { LogMessage } from "./types";

/**
 * Read the lines of a log.
 *
 * @param request - Which ones, as GetLogs takes it; its `tail` counts those that are wanted.
 * @param ours - Also what the worker wrote, and not only the user's code.
 */
export async function readLog(
  request: object,
  ours: boolean,
  take: (line: LogMessage) => void,
  signal: AbortSignal,
): Promise<void> {
  let isKnown = false;
  const takeMany = ({ messages }: { messages: LogMessage[] }) => {
    isKnown = true;
    for (const one of messages) {
      for (const message of one.message.split("\n")) take({ ...one, message });
    }
  };
  try {
    const asked = { request, writer: ours ? "ALL" : "USER", details: true };
    await stream("pachlocal.v1.Local/ReadLogs", asked, takeMany, signal);
  } catch (problem) {
    const code = problem instanceof ApiError ? problem.code : 0;
    if (isKnown || (code !== UNIMPLEMENTED && code !== NOT_FOUND)) throw problem;
    const takeOne = (line: LogMessage) => {
      if (ours || line.user) take(line);
    };
    await stream<LogMessage>("pps_v2.API/GetLogs", request, takeOne, signal);
  }
}
