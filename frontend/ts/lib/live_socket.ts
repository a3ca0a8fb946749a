// A WebSocket that reconnects by itself, with growing pauses.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const CLOSE_NOT_FOUND = 4404;

export type SocketState = "open" | "waiting" | "closed";

export class LiveSocket {
  #socket: WebSocket | undefined;
  #pause = FIRST_PAUSE_MS;
  #timer: number | undefined;
  #isDone = false;

  /** `path` is called for each connection, so that it can say where to resume. */
  constructor(
    private readonly path: () => string,
    private readonly onLine: (message: unknown) => void,
    private readonly onState: (state: SocketState) => void,
  ) {
    this.#connect();
    window.addEventListener("pagehide", () => this.stop());
    window.addEventListener("online", () => this.#soon(0));
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Reconnect; the new connection starts with all the text in progress. */
  restart(): void {
    this.#socket?.close();
  }

  stop(): void {
    this.#isDone = true;
    window.clearTimeout(this.#timer);
    this.#socket?.close();
    this.onState("closed");
  }

  #connect(): void {
    if (this.#isDone || this.#socket?.readyState === WebSocket.CONNECTING || this.isOpen) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path()}`);
    this.#socket = socket;
    socket.addEventListener("message", (event: MessageEvent<string>) => {
      this.#pause = FIRST_PAUSE_MS;
      for (const line of event.data.split("\n")) {
        if (line) this.onLine(JSON.parse(line));
      }
    });
    socket.addEventListener("open", () => this.onState("open"));
    socket.addEventListener("close", (event) => {
      if (this.#isDone) return;
      if (event.code === CLOSE_NOT_FOUND) {
        this.stop();
        return;
      }
      this.onState("waiting");
      // Spread out, so that not every client returns to a restarted server at once.
      this.#soon(this.#pause * (0.5 + Math.random()));
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    });
  }

  #soon(milliseconds: number): void {
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#connect(), milliseconds);
  }
}
