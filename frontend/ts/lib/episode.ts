// Steps through the moves of an episode: by buttons, slider, arrow keys and links, or by itself at
// the original pace. The server has drawn every position; here they are only copied to the stage.

const SHORTEST_MOVE_MS = 800;
const OWN_KEYS = "input, select, textarea, summary, [role=group][tabindex]"; // they scroll or type

export class Episode {
  readonly #announce: (news: string) => void;
  #root: HTMLElement | undefined;
  #at = 0;
  #count = 0; // moves when it was last drawn
  #playing: AbortController | undefined;

  constructor(page: HTMLElement, announce: (news: string) => void) {
    this.#announce = announce;
    page.addEventListener("click", (event) => this.#onClick(event));
    page.addEventListener("input", (event) => this.#onInput(event));
    document.addEventListener("keydown", (event) => this.#onKey(event));
    window.addEventListener("hashchange", () => this.#goToHash());
  }

  /** Take over a round that was just put on the page; `before` is what it replaced. */
  attach(section: HTMLElement, before?: HTMLElement): void {
    const isSame = before?.dataset.round === section.dataset.round;
    const at = this.#at === this.#count ? Infinity : this.#at; // who sees the last move follows
    this.#playing?.abort(); // not #stop: the old round may have given its moves to the new one
    this.#playing = undefined;
    this.#root = section.querySelector<HTMLElement>("[data-episode]") ?? undefined;
    if (!this.#root) return;
    const last = this.#moves.length;
    this.#show(Math.min((isSame ? at : hashStep()) ?? last, last));
    this.#root.dataset.stepping = "";
    this.#find("[data-steps]").hidden = last === 0;
  }

  get #moves(): HTMLElement[] {
    return [...this.#root!.querySelectorAll<HTMLElement>("[data-move]")];
  }

  #find(selector: string): HTMLElement {
    return this.#root!.querySelector<HTMLElement>(selector)!;
  }

  #show(step: number): void {
    const root = this.#root!;
    const moves = this.#moves;
    const move = moves[step - 1];
    this.#at = step;
    this.#count = moves.length;
    this.#find("[data-stage]").replaceChildren(positionAfter(root, moves, step));
    const now = root.querySelector<HTMLElement>("[data-now]");
    now?.replaceChildren(move ? said(move) : "The opening");
    if (now) now.hidden = moves.length === 0;
    moves.forEach((each, index) => {
      if (each === move) each.setAttribute("aria-current", "step");
      else each.removeAttribute("aria-current");
      // Words read on: what comes later would give away how it goes on.
      if (root.dataset.kind === "text") each.hidden = index >= step;
    });
    const slider = root.querySelector<HTMLInputElement>("[data-slider]")!;
    slider.max = String(moves.length);
    slider.value = String(step);
    slider.setAttribute("aria-valuetext", step ? `Move ${step} of ${moves.length}` : "The opening");
    this.#find("[data-step-label]").textContent = `${step} of ${moves.length}`;
    scrollWithin(this.#find("[data-moves]"), move);
  }

  /** As the reader asked. */
  #step(to: number): void {
    this.#stop();
    const last = this.#moves.length;
    this.#show(Math.max(0, Math.min(to, last)));
    history.replaceState(null, "", location.pathname + location.search + (this.#at < last ? `#move-${this.#at}` : ""));
    const move = this.#moves[this.#at - 1];
    const board = this.#find("[data-stage]").querySelector("svg")?.getAttribute("aria-label");
    const news = [move ? `Move ${this.#at}, ${wordsOf(move)}` : "The opening", board];
    this.#announce(news.filter(Boolean).join(". "));
  }

  #onClick(event: MouseEvent): void {
    if (!this.#root || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    const target = event.target instanceof Element ? event.target : null;
    const link = target?.closest<HTMLElement>(".move-number");
    if (link) {
      event.preventDefault();
      this.#step(Number(link.closest<HTMLElement>("[data-move]")?.dataset.move));
      this.#find("[data-stage]").scrollIntoView({ block: "nearest" });
      return;
    }
    switch (target?.closest<HTMLElement>("[data-step]")?.dataset.step) {
      case "first":
        return this.#step(0);
      case "previous":
        return this.#step(this.#at - 1);
      case "next":
        return this.#step(this.#at + 1);
      case "last":
        return this.#step(this.#moves.length);
      case "play":
        return this.#playing ? this.#stop() : void this.#play();
    }
  }

  #onInput(event: Event): void {
    const slider = event.target;
    if (this.#root && slider instanceof HTMLInputElement && slider.matches("[data-slider]")) {
      this.#step(Number(slider.value));
    }
  }

  #onKey(event: KeyboardEvent): void {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const target = event.target instanceof Element ? event.target : null;
    if (!way || !this.#root || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (target?.closest(OWN_KEYS) || this.#find("[data-steps]").hidden) return;
    event.preventDefault();
    this.#step(this.#at + way);
  }

  #goToHash(): void {
    const step = hashStep();
    if (this.#root && step !== undefined) this.#step(step);
  }

  async #play(): Promise<void> {
    const playing = new AbortController();
    this.#playing = playing;
    this.#markPlaying(true);
    if (this.#at >= this.#moves.length) this.#show(0);
    history.replaceState(null, "", location.pathname + location.search);
    while (this.#at < this.#moves.length) {
      const move = this.#moves[this.#at]!;
      const now = this.#root!.querySelector<HTMLElement>("[data-now]");
      move.hidden = false;
      now?.replaceChildren(said(move));
      await write(move, (now ?? move).querySelector<HTMLElement>("[data-answer]"), playing.signal);
      if (playing.signal.aborted) return;
      this.#show(this.#at + 1);
    }
    this.#stop();
  }

  #stop(): void {
    if (!this.#playing) return;
    this.#playing.abort();
    this.#playing = undefined;
    this.#markPlaying(false);
    this.#show(Math.min(this.#at, this.#moves.length));
  }

  #markPlaying(isPlaying: boolean): void {
    const button = this.#find('[data-step="play"]');
    button.setAttribute("aria-pressed", String(isPlaying));
  }
}

/** Put the opening and the moves before the new ones into a fresh drawing; false if some are missing. */
export function joinMoves(old: HTMLElement, fresh: HTMLElement): boolean {
  const known = Number(fresh.querySelector<HTMLElement>("[data-episode]")?.dataset.known ?? 0);
  if (!known) return true;
  const all = [...old.querySelectorAll<HTMLElement>("[data-move]")];
  const kept = all.filter((move) => Number(move.dataset.move) <= known);
  if (old.dataset.round !== fresh.dataset.round || kept.length < known) return false;
  fresh.querySelector("[data-moves]")?.prepend(...kept);
  fresh.querySelector("[data-stage]")?.after(old.querySelector("[data-opening]")!);
  return true;
}

/** The newest move in words: who, and what. */
export function newestMove(section: HTMLElement): string {
  const move = [...section.querySelectorAll<HTMLElement>("[data-move]")].at(-1);
  return move ? wordsOf(move) : "";
}

function wordsOf(move: HTMLElement): string {
  const text = move.querySelector("[data-answer]")?.textContent ?? "no answer";
  const illegal = "illegal" in move.dataset ? ", not legal" : "";
  return `${move.querySelector("[data-who]")?.textContent}: ${text.slice(0, 100)}${illegal}`;
}

function hashStep(): number | undefined {
  const found = /^#move-(\d{1,4})$/.exec(location.hash);
  return found ? Number(found[1]) : undefined;
}

/** A copy of the newest position that is drawn: after this move or an earlier one, or the opening. */
function positionAfter(root: HTMLElement, moves: HTMLElement[], step: number): Node {
  for (const move of moves.slice(0, step).reverse()) {
    const position = move.querySelector("[data-position]");
    if (position) return contentOf(position);
  }
  return contentOf(root.querySelector("[data-opening]")!);
}

function contentOf(position: Element): Node {
  if (position instanceof HTMLTemplateElement) return position.content.cloneNode(true);
  const content = document.createDocumentFragment();
  content.append(...[...position.childNodes].map((node) => node.cloneNode(true)));
  return content;
}

function said(move: HTMLElement): Node {
  return move.querySelector("[data-said]")!.cloneNode(true);
}

/** Write a move's text as it was written, with a pause at the end if it took longer. */
async function write(move: HTMLElement, element: HTMLElement | null, signal: AbortSignal): Promise<void> {
  const whole = element?.textContent ?? "";
  const points = Array.from(whole);
  const chunks: [characters: number, seconds: number][] = JSON.parse(element?.dataset.chunks || "[]");
  const length = Math.max(Number(move.dataset.seconds) * 1000 || 0, SHORTEST_MOVE_MS);
  const started = performance.now();
  for (let elapsed = 0; elapsed < length && !signal.aborted; elapsed = performance.now() - started) {
    const count = chunks.length ? (chunks.findLast((chunk) => chunk[1] * 1000 <= elapsed)?.[0] ?? 0) : points.length;
    const text = points.slice(0, count).join("");
    if (element && element.textContent !== text) element.textContent = text;
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  if (element) element.textContent = whole;
}

function scrollWithin(list: HTMLElement, move: HTMLElement | undefined): void {
  if (list.scrollHeight <= list.clientHeight) return;
  if (!move) list.scrollTop = 0;
  else {
    const top = move.offsetTop - list.offsetTop;
    const isAbove = top < list.scrollTop;
    const isBelow = top + move.offsetHeight > list.scrollTop + list.clientHeight;
    if (isAbove || isBelow) list.scrollTop = top - list.clientHeight + move.offsetHeight;
  }
}
