// Answers in progress. Offsets count characters as Python does: code points, not UTF-16 units.

interface Answer {
  text: string;
  length: number;
}

export class Answers {
  readonly #answers = new Map<string, Answer>();
  readonly #shown = new WeakMap<Element, string>();

  clear(): void {
    this.#answers.clear();
  }

  reset(round: number, seat: number): void {
    this.#answers.delete(`${round}:${seat}`);
    const element = find(round, seat);
    if (element) this.#show(element, "");
  }

  /** Add a piece; false if an earlier piece is missing. */
  append(round: number, seat: number, offset: number, piece: string): boolean {
    const key = `${round}:${seat}`;
    const answer = this.#answers.get(key) ?? { text: "", length: 0 };
    if (offset > answer.length) return false;
    const points = Array.from(piece).slice(answer.length - offset);
    answer.text += points.join("");
    answer.length += points.length;
    this.#answers.set(key, answer);
    const element = find(round, seat);
    if (element) this.#show(element, answer.text);
    return true;
  }

  /** Fill a round that the server has just drawn with the text known so far. */
  redraw(round: number): void {
    for (const [key, answer] of this.#answers) {
      const [number, seat] = key.split(":").map(Number);
      if (number !== round || seat === undefined) continue;
      const element = find(round, seat);
      if (element) this.#show(element, answer.text);
    }
  }

  // Text nodes only: what a model wrote is never markup.
  #show(element: Element, text: string): void {
    const before = this.#shown.get(element);
    if (before !== undefined && before !== "" && text.startsWith(before)) {
      element.append(text.slice(before.length));
    } else {
      element.textContent = text;
    }
    this.#shown.set(element, text);
  }
}

function find(round: number, seat: number): Element | null {
  return document.querySelector(
    `#match-round[data-round="${round}"] [data-seat="${seat}"] [data-streaming]`,
  );
}
