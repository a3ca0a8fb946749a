// One answer of a version: asked for, and read line by line as it comes.

export type Message = { role: "system" | "user" | "assistant"; content: string };
export type Tab = { unit_credits: number; paid_tokens: number; available_credits: number; under_way: number };
export type End = { finish_reason: string; prompt_tokens: number; answer_tokens: number; charged_credits: number };
type Line = { text?: string; end?: End; error?: string };

const AWAY = "The site does not answer. Try again in a little while.";
const SIGNED_OUT = "You are signed out. Reload the page to sign in again.";
const STALE = "This page is out of date, because you signed in again. Reload it.";
const BROKE_OFF = "The answer broke off.";

export class Answer {
  text = "";
  end: End | undefined;

  constructor(
    private readonly response: Response | undefined,
    private readonly signal: AbortSignal,
    public error = "",
  ) {}

  /** Until it ends, is stopped, or fails: then `error` says why. */
  async read(onText: (piece: string) => void): Promise<void> {
    if (!this.response?.body) return;
    const reader = this.response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.#take(JSON.parse(line) as Line, onText);
      }
    } catch {
      // Cut off: what follows says so.
    }
    if (!this.end && !this.error && !this.signal.aborted) this.error = BROKE_OFF;
  }

  #take(line: Line, onText: (piece: string) => void): void {
    if (line.text) {
      this.text += line.text;
      onText(line.text);
    }
    this.end = line.end ?? this.end;
    this.error = line.error ?? this.error;
  }
}

/** The answer to the body, which begins as soon as the site has understood it. */
export async function ask(form: HTMLFormElement, body: object, signal: AbortSignal): Promise<Answer> {
  const token = form.querySelector<HTMLInputElement>("[name=csrfmiddlewaretoken]")?.value ?? "";
  try {
    const response = await fetch(form.dataset.answer ?? "", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify(body),
      signal,
    });
    if (response.redirected) return new Answer(undefined, signal, SIGNED_OUT);
    if (response.ok) return new Answer(response, signal);
    const said = (await response.json().catch(() => ({}))) as Line;
    return new Answer(undefined, signal, said.error ?? (response.status === 403 ? STALE : AWAY));
  } catch {
    return new Answer(undefined, signal, signal.aborted ? "" : AWAY);
  }
}
