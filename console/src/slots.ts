// Streams that stay open, shared out among all pages of a browser: it opens six connections to a
// server, and what else the pages ask must find one that is free.

const SLOTS = 4;

/**
 * Use a slot until what uses it has ended.
 *
 * @returns Whether there was one; if not, look again and again instead.
 */
export async function withSlot(use: () => Promise<void>): Promise<boolean> {
  if (!navigator.locks) {
    // A page that came without TLS from another machine: nothing tells of its browser's other pages.
    await use();
    return true;
  }
  for (let number = 0; number < SLOTS; number += 1) {
    const had = await navigator.locks.request(
      `stream-${number}`,
      { ifAvailable: true },
      async (lock) => {
        if (lock) await use();
        return lock !== null;
      },
    );
    if (had) return true;
  }
  return false;
}
