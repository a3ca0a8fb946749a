// A WebSocket that reconnects by itself, with growing pauses, until what it is about is over. The
// server sends a line at least every 15 seconds, so a connection that stays silent for twice as long
// is dead, whatever it says itself. A page that nobody sees gives its connection up for a while.
import { Pauses } from "./patience";

const SILENCE_MS = 30_000;
const HIDDEN_MS = 30_000;
const CLOSE_OVER = 1000;
const CLOSE_NOT_FOUND = 4404;

export type SocketState = "open" | "waiting" | "closed" | "over";

export const SOCKET_WORDS: Record<SocketState, string> = {
  open: "Connected",
  waiting: "Reconnecting",
  closed: "Not connected",
  over: "Finished",
};

export class LiveSocket {
  readonly #pauses = new Pauses();
  #socket: WebSocket | undefined;
  #retry: number | undefined;
  #silence: number | undefined;
  #hiding: number | undefined;
  #isDone = false;

  /** `path` is called for each connection, so that it can say where to resume. */
  constructor(
    private readonly path: () => string,
    private readonly onLine: (message: unknown) => void,
    private readonly onState: (state: SocketState) => void,
  ) {
    this.#connect();
    // A page in the back/forward cache keeps no connection; taken from there, it needs a new one.
    window.addEventListener("pagehide", () => this.#drop());
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) this.#reconnect(0);
    });
    window.addEventListener("online", () => this.#reconnect(0));
    document.addEventListener("visibilitychange", () => this.#onVisibility());
    this.#onVisibility();
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Whether it could be sent; an answer may still never come. */
  say(message: object): boolean {
    if (!this.isOpen) return false;
    this.#socket?.send(JSON.stringify(message));
    return true;
  }

  /** Reconnect; the new connection starts with all the text in progress. */
  restart(): void {
    this.#reconnect(this.#pauses.next());
  }

  #onVisibility(): void {
    window.clearTimeout(this.#hiding);
    if (document.hidden) this.#hiding = window.setTimeout(() => this.#drop(), HIDDEN_MS);
    else if (!this.#socket) this.#reconnect(0);
  }

  #stop(state: SocketState): void {
    this.#isDone = true;
    this.#drop();
    this.onState(state);
  }

  #reconnect(milliseconds: number): void {
    if (this.#isDone) return;
    this.#drop();
    this.onState("waiting");
    this.#retry = window.setTimeout(() => this.#connect(), milliseconds);
  }

  /** Forget the connection. Over a dead one, a closing handshake would take minutes. */
  #drop(): void {
    window.clearTimeout(this.#retry);
    window.clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = undefined; // its late messages are not ours any more
    socket?.close();
  }

  #connect(): void {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path()}`);
    this.#socket = socket;
    this.#expectLine();
    socket.addEventListener("message", (event: MessageEvent<string>) => {
      if (socket !== this.#socket) return;
      this.#pauses.reset();
      this.#expectLine();
      for (const line of event.data.split("\n")) {
        if (line) this.#take(JSON.parse(line) as { t?: string });
      }
    });
    socket.addEventListener("open", () => {
      if (socket === this.#socket) this.onState("open");
    });
    socket.addEventListener("close", (event) => {
      if (socket !== this.#socket) return;
      if (event.code === CLOSE_OVER) this.#stop("over");
      else if (event.code === CLOSE_NOT_FOUND) this.#stop("closed");
      else this.restart();
    });
  }

  #take(message: { t?: string }): void {
    if (message.t === "over") this.#stop("over");
    else if (message.t !== "pulse") this.onLine(message);
  }

  #expectLine(): void {
    window.clearTimeout(this.#silence);
    this.#silence = window.setTimeout(() => this.restart(), SILENCE_MS);
  }
}
