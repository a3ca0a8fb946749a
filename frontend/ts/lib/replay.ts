// Plays a finished round again at its original pace, from the times at which text arrived.

interface Track {
  element: HTMLElement;
  points: string[];
  chunks: [characters: number, seconds: number][];
}

let running: (() => void) | undefined;

/** Show the replay button of the round on display, if there is something to replay. */
export function offerReplay(section: HTMLElement): void {
  running?.();
  const button = section.querySelector<HTMLButtonElement>("[data-replay]");
  const label = section.querySelector<HTMLElement>("[data-replay-label]");
  const tracks = readTracks(section);
  if (!button || !label || tracks.length === 0) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    if (running) running();
    else running = play(tracks, label);
  });
}

function readTracks(section: HTMLElement): Track[] {
  const tracks: Track[] = [];
  for (const element of section.querySelectorAll<HTMLElement>("[data-chunks]")) {
    const chunks: Track["chunks"] = JSON.parse(element.dataset.chunks ?? "[]");
    if (chunks.length > 0) tracks.push({ element, points: Array.from(element.textContent ?? ""), chunks });
  }
  return tracks;
}

function play(tracks: Track[], label: HTMLElement): () => void {
  const started = performance.now();
  const end = Math.max(...tracks.map((track) => track.chunks.at(-1)?.[1] ?? 0));
  let frame = 0;
  label.textContent = "Stop";
  const draw = (): void => {
    const seconds = (performance.now() - started) / 1000;
    for (const track of tracks) {
      const count = track.chunks.findLast((chunk) => chunk[1] <= seconds)?.[0] ?? 0;
      const isDone = count >= (track.chunks.at(-1)?.[0] ?? 0);
      const text = track.points.slice(0, isDone ? undefined : count).join("");
      if (track.element.textContent !== text) track.element.textContent = text;
      track.element.toggleAttribute("data-streaming", !isDone);
    }
    if (seconds <= end) frame = requestAnimationFrame(draw);
    else stop();
  };
  const stop = (): void => {
    cancelAnimationFrame(frame);
    for (const track of tracks) {
      track.element.textContent = track.points.join("");
      track.element.removeAttribute("data-streaming");
    }
    label.textContent = "Replay";
    running = undefined;
  };
  draw();
  return stop;
}
