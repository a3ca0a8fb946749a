// How a page asks again without adding to what keeps the server from answering.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** Pauses between tries: each about twice the one before, by chance, so that clients spread. */
export class Pauses {
  #next = FIRST_PAUSE_MS;

  next(atLeastMs = 0): number {
    const pause = this.#next * (0.5 + Math.random());
    this.#next = Math.min(this.#next * 2, LONGEST_PAUSE_MS);
    return atLeastMs + pause;
  }

  reset(): void {
    this.#next = FIRST_PAUSE_MS;
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => window.setTimeout(resolve, milliseconds));
}

/** Waits until somebody can see the page. */
export async function shown(): Promise<void> {
  while (document.hidden) {
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }
}

/** What is there, once it is; undefined if the server refuses, or nobody wants it any more. */
export async function fetched(url: string, isWanted = () => true): Promise<string | undefined> {
  const pauses = new Pauses();
  for (;;) {
    await shown();
    if (!isWanted()) return undefined;
    let atLeastMs = 0;
    try {
      const response = await fetch(url);
      if (response.ok) return await response.text();
      if (response.status < 500 && response.status !== 429) return undefined;
      atLeastMs = (Number(response.headers.get("Retry-After")) || 0) * 1000;
    } catch {
      // No connection at all: the next try may find one.
    }
    await pause(pauses.next(atLeastMs));
  }
}
