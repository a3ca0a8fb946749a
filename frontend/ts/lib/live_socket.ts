// A WebSocket that reconnects by itself, with growing pauses. The server sends a line at least every
// 15 seconds, so a connection that stays silent for twice as long is dead, whatever it says itself.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const SILENCE_MS = 30_000;
const CLOSE_NOT_FOUND = 4404;

export type SocketState = "open" | "waiting" | "closed";

export const SOCKET_WORDS: Record<SocketState, string> = {
  open: "Connected",
  waiting: "Reconnecting",
  closed: "Not connected",
};

export class LiveSocket {
  #socket: WebSocket | undefined;
  #pause = FIRST_PAUSE_MS;
  #retry: number | undefined;
  #silence: number | undefined;
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
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Reconnect; the new connection starts with all the text in progress. */
  restart(): void {
    // Spread out, so that not every client returns to a restarted server at once.
    this.#reconnect(this.#pause * (0.5 + Math.random()));
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }

  stop(): void {
    this.#isDone = true;
    this.#drop();
    this.onState("closed");
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
      this.#pause = FIRST_PAUSE_MS;
      this.#expectLine();
      for (const line of event.data.split("\n")) {
        const message: unknown = line ? JSON.parse(line) : undefined;
        if (message && !isPulse(message)) this.onLine(message);
      }
    });
    socket.addEventListener("open", () => {
      if (socket === this.#socket) this.onState("open");
    });
    socket.addEventListener("close", (event) => {
      if (socket !== this.#socket) return;
      if (event.code === CLOSE_NOT_FOUND) this.stop();
      else this.restart();
    });
  }

  #expectLine(): void {
    window.clearTimeout(this.#silence);
    this.#silence = window.setTimeout(() => this.restart(), SILENCE_MS);
  }
}

function isPulse(message: unknown): boolean {
  return (message as { t?: string }).t === "pulse";
}
