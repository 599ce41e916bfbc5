// Texts that change as time passes, such as "3 s ago": each looks once a second whether it does.

import { useEffect, useState } from "preact/hooks";

const ticks = new Set<() => void>();

window.setInterval(() => {
  if (!document.hidden) for (const tick of ticks) tick();
}, 1000);

/** A text of the time that it is now. */
export function useNow(text: () => string): string {
  const [, setShown] = useState("");
  useEffect(() => {
    const tick = () => setShown(text());
    tick();
    ticks.add(tick);
    return () => {
      ticks.delete(tick);
    };
  });
  return text();
}

/** Shows such a text. */
export function Now({ text }: { text: () => string }) {
  return useNow(text);
}
