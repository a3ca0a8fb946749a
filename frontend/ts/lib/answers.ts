// Answers in progress. Offsets count characters as Python does: code points, not UTF-16 units.
// A piece belongs to one turn of its seat. It is shown where the page waits for that turn: the
// drawing with the turn before, or with this one, may come earlier or later than the piece.

interface Answer {
  turn: number;
  text: string;
  length: number;
}

export class Answers {
  readonly #answers = new Map<string, Answer>();
  readonly #shown = new WeakMap<Element, string>();

  clear(): void {
    this.#answers.clear();
  }

  reset(round: number, seat: number, turn: number): void {
    const answer = { turn, text: "", length: 0 };
    this.#answers.set(`${round}:${seat}`, answer);
    this.#show(round, seat, answer);
  }

  /** Add a piece; false if an earlier piece is missing. */
  append(round: number, seat: number, turn: number, offset: number, piece: string): boolean {
    const key = `${round}:${seat}`;
    let answer = this.#answers.get(key);
    if (answer && answer.turn > turn) return true;
    if (!answer || answer.turn < turn) answer = { turn, text: "", length: 0 };
    if (offset > answer.length) return false;
    const points = Array.from(piece).slice(answer.length - offset);
    answer.text += points.join("");
    answer.length += points.length;
    this.#answers.set(key, answer);
    this.#show(round, seat, answer);
    return true;
  }

  /** Fill a round that the server has just drawn with the text known so far. */
  redraw(round: number): void {
    for (const [key, answer] of this.#answers) {
      const [number, seat] = key.split(":").map(Number);
      if (number === round && seat !== undefined) this.#show(round, seat, answer);
    }
  }

  // Text nodes only: what a model wrote is never markup.
  #show(round: number, seat: number, { turn, text }: Answer): void {
    const element = document.querySelector<HTMLElement>(
      `#match-round[data-round="${round}"] [data-seat="${seat}"] [data-streaming]`,
    );
    if (!element || Number(element.dataset.turn ?? 0) !== turn) return;
    element.closest("[data-seat]")?.setAttribute("data-writing", "");
    const before = this.#shown.get(element);
    if (before !== undefined && before !== "" && text.startsWith(before)) {
      element.append(text.slice(before.length));
    } else {
      element.textContent = text;
    }
    this.#shown.set(element, text);
  }
}
