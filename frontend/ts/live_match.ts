// The live match: streams answers, and shows each new drawing of the match that the server sends.
import { Answers } from "./lib/answers";
import { Episode, joinMoves, newestMove } from "./lib/episode";
import { LiveSocket, SOCKET_WORDS, type SocketState } from "./lib/live_socket";
import { fetched } from "./lib/patience";
import { offerReplay } from "./lib/replay";

// `rounds` has those that changed: of an episode, without the turns before. No `summary`: it is the same.
interface Drawing {
  t: "drawn";
  seq: number;
  over: boolean;
  decided: number[];
  summary: string;
  rounds: Record<string, string>;
}

// A whole round, which the page had asked for.
interface DrawnRound {
  t: "round";
  seq: number;
  round: number;
  html: string;
}

type Message =
  | { t: "hello"; seq: number }
  | Drawing
  | DrawnRound
  | { t: "text"; round: number; seat: number; turn: number; offset: number; text: string }
  | { t: "reset"; round: number; seat: number; turn: number }
  | { t: "resync" };

const ANSWER_MS = 2_000; // after which a round is fetched

class LiveMatch {
  readonly #page: HTMLElement;
  readonly #base: string;
  readonly #answers = new Answers();
  readonly #episode: Episode;
  #seq: number;
  #view: number;
  #tabInSight = 0; // the round whose tab was last brought into sight
  #isFollowing: boolean;
  #socket: LiveSocket | undefined;
  #isOver: boolean;
  #unanswered: number | undefined;

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
    this.#episode = new Episode(page, (news) => this.#say(news));
    this.#episode.attach(this.#round);
    this.#markTab();
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
      case "drawn":
        if (message.seq > this.#seq) this.#takeDrawing(message);
        break;
      case "round":
        this.#takeRound(message);
        break;
      case "text": {
        const { round, seat, turn, offset, text } = message;
        if (!this.#answers.append(round, seat, turn, offset, text)) this.#socket?.restart();
        break;
      }
      case "reset":
        this.#answers.reset(message.round, message.seat, message.turn);
        break;
      case "resync":
        this.#socket?.restart();
        break;
    }
  }

  #takeDrawing(drawing: Drawing): void {
    this.#seq = drawing.seq;
    this.#isOver = drawing.over;
    // The first that is played, since others may be played beside it; else the newest.
    const next = Object.keys(drawing.rounds).map(Number).filter((number) => this.#movesOnTo(number));
    this.#view = next.find((number) => isPlayed(drawing.rounds[number])) ?? next.at(-1) ?? this.#view;
    if (drawing.summary) this.#replaceSummary(elementOf(drawing.summary));
    const round = drawing.rounds[this.#view];
    if (round) this.#drawRound(elementOf(round), this.#view);
    this.#announce(drawing);
  }

  // Where rounds are played side by side, a follower stays on one until it is over or the next batch.
  #movesOnTo(round: number): boolean {
    const atOnce = Number(this.#page.dataset.roundsAtOnce);
    const isOver = this.#round.dataset.roundStatus !== "playing";
    const isNext = round >= this.#view + atOnce || (isOver && round > this.#view);
    return this.#isFollowing && (this.#view === 0 || isNext);
  }

  /** Over the open socket it costs the server next to nothing: a request takes all of Django. */
  #askRound(number: number): void {
    window.clearTimeout(this.#unanswered);
    if (this.#socket?.say({ round: number })) {
      this.#unanswered = window.setTimeout(() => void this.#fetchRound(number), ANSWER_MS);
    } else {
      void this.#fetchRound(number);
    }
  }

  #takeRound({ seq, round, html }: DrawnRound): void {
    if (round !== this.#view) return;
    window.clearTimeout(this.#unanswered);
    // What the socket brought meanwhile may be newer.
    if (seq >= this.#seq || Number(this.#round.dataset.round) !== round) {
      this.#drawRound(elementOf(html), round);
    }
  }

  async #fetchRound(number: number): Promise<void> {
    const isWanted = (): boolean => number === this.#view;
    const seq = this.#seq;
    const html = await fetched(`${this.#base}rounds/${number}/`, isWanted);
    // What the socket brought meanwhile may be newer.
    if (html && isWanted() && (seq === this.#seq || Number(this.#round.dataset.round) !== number)) {
      this.#drawRound(elementOf(html), number);
    }
  }

  #replaceSummary(fresh: HTMLElement): void {
    const old = this.#summary;
    const focused = finderOfFocus(old);
    const open = new Set([...old.querySelectorAll("details[open] > summary")].map(nameOf));
    const tabs = old.querySelector("nav")?.scrollLeft ?? 0;
    // The server draws for everybody: only the page knows whose it is.
    for (const part of fresh.querySelectorAll<HTMLElement>("[data-for-owner]")) {
      part.hidden = part.dataset.forOwner !== this.#page.dataset.viewer;
    }
    old.replaceWith(fresh);
    for (const details of fresh.querySelectorAll("details")) {
      if (details.firstElementChild && open.has(nameOf(details.firstElementChild))) details.open = true;
    }
    const nav = fresh.querySelector("nav");
    if (nav) nav.scrollLeft = tabs;
    this.#markTab();
    focused(fresh)?.focus({ preventScroll: true });
  }

  #drawRound(fresh: HTMLElement, number: number): void {
    const old = this.#round;
    const focused = finderOfFocus(old); // before its moves are taken from it
    if (!joinMoves(old, fresh)) {
      this.#askRound(number);
      return;
    }
    const isSame = old.dataset.round === fresh.dataset.round;
    if (isSame) keepOpen(old, fresh);
    const strip = old.querySelector(".seats-strip");
    const freshStrip = fresh.querySelector(".seats-strip");
    if (isSame && strip && freshStrip) {
      // Same round: keep the strip, so that a phone's swipe position and focus stay.
      strip.replaceChildren(...freshStrip.children);
      freshStrip.replaceWith(strip);
    }
    const scroll = strip?.scrollLeft ?? 0;
    old.replaceWith(fresh);
    if (strip) strip.scrollLeft = scroll;
    this.#answers.redraw(number);
    offerReplay(fresh);
    this.#episode.attach(fresh, old);
    if (isSame) focused(fresh)?.focus({ preventScroll: true });
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
    this.#askRound(this.#view);
  }

  #markTab(): void {
    for (const tab of this.#summary.querySelectorAll<HTMLElement>("[data-round-tab]")) {
      if (Number(tab.dataset.roundTab) !== this.#view) {
        tab.removeAttribute("aria-current");
        continue;
      }
      tab.setAttribute("aria-current", "true");
      // Whoever reads a round has its tab in sight, and may then look through the others.
      if (this.#tabInSight !== this.#view) bringIntoSight(tab);
      this.#tabInSight = this.#view;
    }
  }

  #announce({ decided, over, rounds }: Drawing): void {
    const isCancelled = this.#summary.dataset.status === "cancelled";
    const end = isCancelled ? "The match was cancelled." : "The match is over.";
    const news = over ? end : decided.map((number) => `Round ${number} is decided.`).at(-1);
    if (!news) {
      if (rounds[this.#view]) this.#say(newestMove(this.#round));
      return;
    }
    const [leader, tied] = this.#summary.querySelectorAll("[data-leads] .row-link");
    const standing = leader && !tied ? ` ${leader.textContent?.trim()} ${over ? "is first" : "leads"}.` : "";
    this.#say(news + standing);
  }

  #say(news: string): void {
    if (news) required("[data-announcer]").textContent = news;
  }

  #showConnection(state: SocketState): void {
    required("[data-connection-label]").textContent = SOCKET_WORDS[state];
    this.#page.dataset.connection = state;
  }
}

/** Scrolls the tabs and never the page. */
function bringIntoSight(tab: HTMLElement): void {
  const tabs = tab.closest("nav");
  if (!tabs) return;
  const [own, all] = [tab.getBoundingClientRect(), tabs.getBoundingClientRect()];
  tabs.scrollLeft += own.left + own.width / 2 - (all.left + all.width / 2);
}

function elementOf(html: string): HTMLElement {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const element = holder.content.firstElementChild;
  if (!(element instanceof HTMLElement)) throw new Error("a drawing without an element");
  return element;
}

function isPlayed(round: string | undefined): boolean {
  return round !== undefined && elementOf(round).dataset.roundStatus === "playing";
}

/** Finds what has the focus in a section in a fresh drawing of it: of all that is named alike, the same one. */
function finderOfFocus(section: HTMLElement): (fresh: HTMLElement) => HTMLElement | undefined {
  const focused = document.activeElement;
  if (!focused || !section.contains(focused)) return () => undefined;
  const name = nameOf(focused);
  const alike = (root: HTMLElement): HTMLElement[] =>
    [...root.querySelectorAll<HTMLElement>(focused.localName)].filter((each) => nameOf(each) === name);
  const place = alike(section).findIndex((each) => each === focused);
  return (fresh) => alike(fresh)[place];
}

/** Where it leads, or else its first words: what follows them may change. */
function nameOf(element: Element): string {
  const given = element.getAttribute("href") ?? element.getAttribute("aria-label");
  return given ?? (element.firstElementChild ?? element).textContent ?? "";
}

function keepOpen(old: HTMLElement, fresh: HTMLElement): void {
  const before = old.querySelectorAll("details");
  const after = fresh.querySelectorAll("details");
  if (before.length !== after.length) return;
  after.forEach((details, index) => {
    details.open = before[index]?.open ?? false;
  });
}

function required(selector: string): HTMLElement {
  const element = document.querySelector<HTMLElement>(selector);
  if (!element) throw new Error(`the page lacks ${selector}`);
  return element;
}

const page = document.querySelector<HTMLElement>("#match");
if (page) new LiveMatch(page);
