// The live match: streams answers, and redraws from the server whatever an event changed.
import { Answers } from "./lib/answers";
import { LiveSocket, SOCKET_WORDS, type SocketState } from "./lib/live_socket";
import { offerReplay } from "./lib/replay";

type Message =
  | { t: "hello"; seq: number }
  | { t: "event"; seq: number; kind: string; round: number | null; seat: number | null }
  | { t: "text"; round: number; seat: number; offset: number; text: string }
  | { t: "reset"; round: number; seat: number }
  | { t: "resync" };

const FINAL = new Set(["match_settled", "match_cancelled"]);
const COALESCE_MS = 40;
const RETRY_MS = 1000;

class LiveMatch {
  readonly #page: HTMLElement;
  readonly #base: string;
  readonly #answers = new Answers();
  #seq: number;
  #view: number;
  #isFollowing: boolean;
  #needsSummary = false;
  #needsRound = false;
  #isRefreshing = false;
  #timer: number | undefined;
  #announcement = "";
  #socket: LiveSocket | undefined;
  #isOver: boolean;

  constructor(page: HTMLElement) {
    this.#page = page;
    const id = page.dataset.match ?? "";
    this.#base = `/matches/${id}/`;
    this.#seq = Number(page.dataset.seq);
    this.#view = Number(this.#round.dataset.round);
    this.#isFollowing = this.#view === Number(this.#summary.dataset.latest);
    this.#isOver = page.dataset.live !== "yes";
    page.addEventListener("click", (event) => this.#onClick(event));
    offerReplay(this.#round);
    if (!this.#isOver) {
      this.#socket = new LiveSocket(
        () => `/ws/matches/${id}/?after=${this.#seq}`,
        (message) => this.#take(message as Message),
        (state) => this.#showConnection(state),
      );
    }
  }

  get #summary(): HTMLElement {
    return required("#match-summary");
  }

  get #round(): HTMLElement {
    return required("#match-round");
  }

  #take(message: Message): void {
    switch (message.t) {
      case "hello":
        // A connection starts with the full text in progress.
        this.#answers.clear();
        break;
      case "event":
        this.#takeEvent(message);
        break;
      case "text":
        if (!this.#answers.append(message.round, message.seat, message.offset, message.text)) {
          this.#socket?.restart();
        }
        break;
      case "reset":
        this.#answers.reset(message.round, message.seat);
        break;
      case "resync":
        this.#refresh({ summary: true, round: true });
        this.#socket?.restart();
        break;
    }
  }

  #takeEvent(event: Extract<Message, { t: "event" }>): void {
    if (event.seq <= this.#seq) return;
    const isGap = event.seq > this.#seq + 1;
    this.#seq = event.seq;
    if (event.kind === "round_started" && event.round !== null && this.#movesOnTo(event.round)) {
      this.#view = event.round;
      this.#refresh({ summary: true, round: true });
      return;
    }
    if (event.kind === "round_decided") this.#announcement = `Round ${event.round} is decided.`;
    if (FINAL.has(event.kind)) {
      this.#isOver = true;
      this.#announcement = "The match is over.";
    }
    const isShown = event.round === this.#view || FINAL.has(event.kind) || isGap;
    this.#refresh({ summary: event.kind !== "completion_recorded", round: isShown });
  }

  // Where rounds are played side by side, a follower stays on one until the next batch.
  #movesOnTo(round: number): boolean {
    const atOnce = Number(this.#page.dataset.roundsAtOnce);
    return this.#isFollowing && (this.#view === 0 || round >= this.#view + atOnce);
  }

  #refresh(parts: { summary: boolean; round: boolean }): void {
    this.#needsSummary ||= parts.summary;
    this.#needsRound ||= parts.round;
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#run(), COALESCE_MS);
  }

  // One refresh at a time; what is asked for meanwhile is fetched in the next pass.
  async #run(): Promise<void> {
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    try {
      while (this.#needsSummary || this.#needsRound) {
        const [summary, round, view] = [this.#needsSummary, this.#needsRound, this.#view];
        this.#needsSummary = this.#needsRound = false;
        try {
          if (summary) this.#replaceSummary(await fragment(`${this.#base}summary/?round=${view}`));
          if (round && view) this.#drawRound(await fragment(`${this.#base}rounds/${view}/`), view);
        } catch {
          this.#needsSummary ||= summary;
          this.#needsRound ||= round;
          await new Promise((resolve) => window.setTimeout(resolve, RETRY_MS));
        }
      }
    } finally {
      this.#isRefreshing = false;
    }
    this.#announce();
    if (this.#isOver) this.#socket?.stop();
  }

  #replaceSummary(fresh: HTMLElement): void {
    const hadFocus = document.activeElement?.getAttribute("data-round-tab");
    const isOpen = this.#summary.querySelector("details")?.open;
    const tabs = this.#summary.querySelector("nav")?.scrollLeft ?? 0;
    this.#summary.replaceWith(fresh);
    const details = fresh.querySelector("details");
    if (details && isOpen) details.open = true;
    const nav = fresh.querySelector("nav");
    if (nav) nav.scrollLeft = tabs;
    this.#markTab();
    if (hadFocus) fresh.querySelector<HTMLElement>(`[data-round-tab="${hadFocus}"]`)?.focus();
  }

  #drawRound(fresh: HTMLElement, number: number): void {
    if (number !== this.#view) return;
    const old = this.#round;
    const strip = old.querySelector(".seats-strip");
    const freshStrip = fresh.querySelector(".seats-strip");
    if (old.dataset.round === fresh.dataset.round && strip && freshStrip) {
      // Same round: keep the strip, so that a phone's swipe position and focus stay.
      strip.replaceChildren(...freshStrip.children);
      freshStrip.replaceWith(strip);
    }
    const scroll = strip?.scrollLeft ?? 0;
    old.replaceWith(fresh);
    if (strip) strip.scrollLeft = scroll;
    this.#answers.redraw(number);
    offerReplay(fresh);
  }

  #onClick(event: MouseEvent): void {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    const target = event.target instanceof Element ? event.target : null;
    const tab = target?.closest<HTMLAnchorElement>("[data-round-tab]");
    if (!tab) return;
    event.preventDefault();
    this.#view = Number(tab.dataset.roundTab);
    this.#isFollowing = this.#view === Number(this.#summary.dataset.latest);
    history.replaceState(null, "", this.#isFollowing && !this.#isOver ? "?" : tab.search);
    this.#markTab();
    this.#refresh({ summary: false, round: true });
  }

  #markTab(): void {
    for (const tab of this.#summary.querySelectorAll<HTMLElement>("[data-round-tab]")) {
      if (Number(tab.dataset.roundTab) === this.#view) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    }
  }

  #announce(): void {
    if (!this.#announcement) return;
    const leader = this.#summary.querySelector("li .row-link")?.textContent?.trim();
    const verb = this.#isOver ? "is first" : "leads";
    required("[data-announcer]").textContent = leader
      ? `${this.#announcement} ${leader} ${verb}.`
      : this.#announcement;
    this.#announcement = "";
  }

  #showConnection(state: SocketState): void {
    const label = required("[data-connection-label]");
    const isFinished = state === "closed" && this.#isOver;
    label.textContent = isFinished ? "Finished" : SOCKET_WORDS[state];
    this.#page.dataset.connection = state;
  }
}

async function fragment(url: string): Promise<HTMLElement> {
  const response = await fetch(url, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  const holder = document.createElement("template");
  holder.innerHTML = await response.text();
  const element = holder.content.firstElementChild;
  if (!(element instanceof HTMLElement)) throw new Error(`no element in ${url}`);
  return element;
}

function required(selector: string): HTMLElement {
  const element = document.querySelector<HTMLElement>(selector);
  if (!element) throw new Error(`the page lacks ${selector}`);
  return element;
}

const page = document.querySelector<HTMLElement>("#match");
if (page) new LiveMatch(page);
