// The playground: what is said goes to one or two versions, whose answers come piece by piece. The
// conversation is kept here only; each request sends all of it.
import { Answer, ask, type Message, type Tab } from "./lib/talks";

// After Stop, the site charges for what came a moment later; another window may talk for longer.
const SETTLING_MS = 500;
const MAX_LOOKS = 60;

function find<Kind extends Element>(within: ParentNode, selector: string): Kind {
  const found = within.querySelector<Kind>(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

class Pane {
  readonly select: HTMLSelectElement;
  readonly #log: HTMLElement;
  #messages: Message[] = [];
  #conversation = 0; // the number of the one that is shown

  constructor(readonly section: HTMLElement) {
    this.select = find(section, "select");
    this.#log = find(section, "[data-log]");
    this.show();
  }

  get isSomebody(): boolean {
    return this.select.value !== "";
  }

  /** Tokens that an answer uses at most. */
  get most(): number {
    return Number(this.select.selectedOptions[0]?.dataset.most ?? 0);
  }

  show(): void {
    this.section.toggleAttribute("data-nobody", !this.isSomebody);
  }

  clear(): void {
    this.#conversation += 1;
    this.#messages = [];
    this.#log.replaceChildren();
  }

  /** On a phone, what comes would be below the bar. */
  bringIntoView(): void {
    if (window.matchMedia("(width < 64rem)").matches) this.#log.lastElementChild?.scrollIntoView({ block: "center" });
  }

  /** Say it and hear the answer; what came of it is noted below it. False if it was refused. */
  async talk(text: string, request: (model: string, messages: Message[]) => Promise<Answer>): Promise<boolean> {
    const conversation = this.#conversation;
    const label = this.select.selectedOptions[0]?.textContent ?? "";
    this.#add("talk-own", text);
    const shown = this.#add("talk-answer", "");
    shown.setAttribute("aria-busy", "true");
    const begun = performance.now();
    const asked: Message[] = [...this.#messages, { role: "user", content: text }];
    const answer = await request(this.select.value, asked);
    await answer.read((piece) => {
      const isAtEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 40;
      shown.append(piece);
      if (isAtEnd) this.#log.scrollTop = this.#log.scrollHeight;
    });
    if (conversation !== this.#conversation) return true; // it was cleared meanwhile
    shown.removeAttribute("aria-busy");
    if (answer.text) this.#messages = [...asked, { role: "assistant", content: answer.text }];
    const seconds = `${((performance.now() - begun) / 1000).toFixed(1)} s`;
    if (answer.error) this.#add("field-error", answer.error).setAttribute("role", "alert");
    else if (answer.end) {
      const used = count(answer.end.prompt_tokens + answer.end.answer_tokens, "token");
      const cut = answer.end.finish_reason === "length" ? ", cut at its longest" : "";
      this.#add("talk-note", `${label}: ${used} in ${seconds}${cut}`);
    } else this.#add("talk-note", `${label}: stopped after ${seconds}`);
    return !answer.error || answer.text !== "";
  }

  #add(kind: string, text: string): HTMLElement {
    const line = document.createElement(kind === "talk-answer" ? "div" : "p");
    line.className = kind;
    line.textContent = text;
    this.#log.append(line);
    this.#log.scrollTop = this.#log.scrollHeight;
    return line;
  }
}

class Playground {
  readonly #panes: Pane[];
  readonly #say: HTMLTextAreaElement;
  readonly #send: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  #tab: Tab;
  #stopping: AbortController | undefined;

  constructor(private readonly form: HTMLFormElement) {
    this.#panes = [...form.querySelectorAll<HTMLElement>("[data-pane]")].map((one) => new Pane(one));
    this.#say = find(form, "[data-say]");
    this.#send = find(form, "[data-send]");
    this.#stop = find(form, "[data-stop]");
    const data = form.dataset;
    this.#tab = {
      unit_credits: Number(data.unitCredits),
      paid_tokens: Number(data.paidTokens),
      available_credits: Number(data.available),
      under_way: 0,
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#talk();
    });
    this.#say.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      void this.#talk();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#stopping?.abort();
    });
    this.#stop.addEventListener("click", () => this.#stopping?.abort());
    find(form, "[data-clear]").addEventListener("click", () => this.#clear());
    for (const pane of this.#panes) {
      pane.select.addEventListener("change", () => this.#onChoice(pane));
    }
    this.#showCost();
    this.#send.disabled = false; // without script, nothing could be sent
  }

  #clear(): void {
    this.#stopping?.abort();
    for (const pane of this.#panes) pane.clear();
    this.#say.focus();
  }

  #onChoice(pane: Pane): void {
    pane.show();
    const chosen = new URLSearchParams();
    for (const { select } of this.#panes) if (select.value) chosen.set(select.name, select.value);
    history.replaceState(null, "", `?${chosen}`);
    this.#showCost();
  }

  async #talk(): Promise<void> {
    const text = this.#say.value.trim();
    const panes = this.#panes.filter((pane) => pane.isSomebody);
    if (!text || this.#stopping || !panes.length) return;
    this.#stopping = new AbortController();
    const { signal } = this.#stopping;
    this.#say.value = "";
    this.#setBusy(true);
    const request = (model: string, messages: Message[]): Promise<Answer> =>
      ask(this.form, { ...this.#settings(), model, messages: [...this.#system(), ...messages] }, signal);
    const talks = panes.map((pane) => pane.talk(text, request));
    panes[0]?.bringIntoView();
    const wereTaken = await Promise.all(talks);
    if (!wereTaken.includes(true) && !this.#say.value) this.#say.value = text; // to be sent again
    this.#stopping = undefined;
    this.#setBusy(false);
    await this.#refresh();
  }

  #setBusy(isBusy: boolean): void {
    const hadFocus = document.activeElement === this.#stop || document.activeElement === this.#send;
    this.#send.disabled = isBusy;
    this.#stop.disabled = !isBusy;
    for (const { select } of this.#panes) select.disabled = isBusy;
    find(this.form, "[data-status]").textContent = isBusy ? "Answering" : "Answered";
    if (hadFocus || !isBusy) this.#say.focus({ preventScroll: true });
  }

  #system(): Message[] {
    const content = find<HTMLTextAreaElement>(this.form, "[data-system]").value.trim();
    return content ? [{ role: "system", content }] : [];
  }

  #settings(): Record<string, number> {
    const given: Record<string, number> = {};
    const temperature = find<HTMLInputElement>(this.form, "[data-temperature]").value;
    const longest = find<HTMLInputElement>(this.form, "[data-longest]").value;
    if (temperature) given.temperature = Number(temperature);
    if (longest) given.max_tokens = Number(longest);
    return given;
  }

  /** Show what there is to pay with, once what has just ended is charged. */
  async #refresh(): Promise<void> {
    for (let looks = 0; looks < MAX_LOOKS && !this.#stopping; looks += 1) {
      const response = await fetch(this.form.dataset.tab ?? "").catch(() => undefined);
      if (!response?.ok || response.redirected) return;
      this.#tab = (await response.json()) as Tab;
      this.#showCost();
      if (!this.#tab.under_way) return;
      await new Promise((resolve) => window.setTimeout(resolve, SETTLING_MS));
    }
  }

  /** What the next message costs at most, and what there is to pay it with. */
  #showCost(): void {
    const { unit_credits: unit, paid_tokens: paid, available_credits: available } = this.#tab;
    const wallet = document.querySelector("[data-wallet]");
    wallet?.setAttribute("aria-label", `Wallet, ${count(available, "credit")} available`);
    wallet?.firstElementChild?.replaceChildren(available.toLocaleString("en"));
    if (!unit) return;
    const unitTokens = Number(this.form.dataset.unitTokens);
    let [free, units, most] = [paid, 0, 0];
    for (const pane of this.#panes.filter((one) => one.isSomebody)) {
      const aside = Math.min(pane.most, free);
      free -= aside;
      units += Math.ceil((pane.most - aside) / unitTokens);
      most += pane.most;
    }
    const left = `${count(paid, "token")} paid for, ${count(available, "credit")} left.`;
    find(this.form, "[data-cost]").textContent = units
      ? `The next message uses up to ${count(most, "token")} and costs at most ${count(units * unit, "credit")}, ` +
        `${count(unit, "credit")} for ${count(unitTokens, "token")}; what is left of them pays for later ones. ${left}`
      : `The next message uses up to ${count(most, "token")}, which are paid for: it costs nothing more. ${left}`;
  }
}

const form = document.querySelector<HTMLFormElement>("form[data-playground]");
if (form) new Playground(form);
