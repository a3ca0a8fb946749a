// A run: draws the curves of a training, and follows the run while it is going on.
import uPlot from "uplot";
import { LiveSocket, SOCKET_WORDS } from "./lib/live_socket";
import { fetched, pause } from "./lib/patience";

interface Columns {
  is_final: boolean;
  columns: Record<string, (number | null)[]>; // "step", then one for each chart
}

const POLL_MS = 3000; // without a connection
const LOST_MS = 30_000; // with one: a message may be lost, also the last one
const SPREAD_MS = 1000; // over which those who watch one run spread what they ask after its steps
const HEIGHT = 144;
const AXIS_WIDTH = 46;
const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/** One small multiple: a figure of the page with the column that it names. */
class Chart {
  readonly #figure: HTMLElement;
  readonly #plot: HTMLElement;
  readonly #latest: HTMLElement;
  readonly #name: string;
  readonly #isShare: boolean;
  #chart: uPlot | undefined;
  #steps: number[] = [];
  #values: (number | null)[] = [];

  constructor(figure: HTMLElement, plot: HTMLElement, latest: HTMLElement) {
    this.#figure = figure;
    this.#plot = plot;
    this.#latest = latest;
    this.#name = figure.dataset.chart ?? "";
    this.#isShare = figure.dataset.share !== undefined;
    new ResizeObserver(() => this.#chart?.setSize(this.#size)).observe(plot);
  }

  get #size(): { width: number; height: number } {
    return { width: this.#plot.clientWidth, height: HEIGHT };
  }

  draw(columns: Columns["columns"]): void {
    this.#steps = (columns.step ?? []).map(Number);
    this.#values = columns[this.#name] ?? [];
    this.#figure.hidden = !this.#values.some((value) => value != null);
    if (this.#figure.hidden) return;
    if (this.#chart) this.#chart.setData([this.#steps, this.#values]);
    else this.redraw();
    this.#show();
  }

  /** Draw again in the colours of the theme. */
  redraw(): void {
    if (this.#figure.hidden) return;
    this.#chart?.destroy();
    this.#chart = new uPlot(this.#options(), [this.#steps, this.#values], this.#plot);
  }

  /** The value under the pointer, or else the newest one. */
  #show(): void {
    const at = this.#chart?.cursor.idx;
    const value = at == null ? this.#values.findLast((one) => one != null) : this.#values[at];
    const text = value == null ? "–" : this.#words(value);
    this.#latest.textContent = at == null ? text : `step ${this.#steps[at]}: ${text}`;
  }

  #words(value: number): string {
    if (this.#isShare) return `${Number((value * 100).toFixed(1))}%`;
    const digits: Intl.NumberFormatOptions =
      Math.abs(value) >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 };
    return value.toLocaleString("en", digits).replace("-", "−");
  }

  #options(): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(`--color-${name}`).trim();
    const axis = { stroke: colour("base-content"), font: "11px sans-serif" };
    const grid = { stroke: colour("base-300"), width: 1 };
    return {
      ...this.#size,
      legend: { show: false },
      cursor: { points: { size: 7 }, y: false, drag: { x: false, y: false }, sync: { key: "run" } },
      hooks: { setCursor: [() => this.#show()] },
      scales: { x: { time: false }, ...(this.#isShare ? { y: { range: (_, __, most) => [0, Math.min(1, most * 1.5) || 1] } } : {}) },
      axes: [
        { ...axis, grid: { show: false }, ticks: { show: false }, size: 24, gap: 2, incrs: WHOLE_STEPS },
        {
          ...axis,
          grid,
          ticks: { show: false },
          size: AXIS_WIDTH,
          space: 32,
          ...(this.#isShare
            ? { values: (_: uPlot, ticks: number[]) => ticks.map((tick) => this.#words(tick)) }
            : {}),
        },
      ],
      series: [
        {},
        {
          stroke: colour("primary"),
          width: 1.75,
          points: { show: this.#steps.length === 1, size: 6, fill: colour("primary") },
        },
      ],
    };
  }
}

class RunPage {
  readonly #base: string;
  readonly #box: HTMLElement | null; // an upload trains nothing, so it has no curves
  readonly #charts: Chart[] = [];
  #isFetching = false;
  #isStale = false;

  constructor(page: HTMLElement, box: HTMLElement | null) {
    const id = page.dataset.run ?? "";
    this.#base = `/runs/${id}/`;
    this.#box = box;
    for (const figure of box?.querySelectorAll<HTMLElement>("[data-chart]") ?? []) {
      const plot = figure.querySelector<HTMLElement>("[data-plot]");
      const latest = figure.querySelector<HTMLElement>("[data-latest]");
      if (plot && latest) this.#charts.push(new Chart(figure, plot, latest));
    }
    document.addEventListener("themechange", () => this.#redraw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
    void this.#update(0);
    if (this.#state?.dataset.final === "yes") return;
    const socket = new LiveSocket(
      () => `/ws/runs/${id}/`,
      () => void this.#update(),
      (state) => {
        const label = document.querySelector<HTMLElement>("[data-connection-label]");
        if (label) label.textContent = SOCKET_WORDS[state];
        // What changed while there was no connection, and what ended it.
        if (state !== "waiting") void this.#update();
      },
    );
    window.setInterval(() => {
      if (!socket.isOpen) void this.#update();
    }, POLL_MS);
    window.setInterval(() => void this.#update(), LOST_MS);
  }

  get #state(): HTMLElement | null {
    return document.querySelector<HTMLElement>("#run-state");
  }

  async #update(spreadMs = SPREAD_MS): Promise<void> {
    this.#isStale = true;
    if (this.#isFetching) return;
    this.#isFetching = true;
    try {
      while (this.#isStale) {
        await pause(Math.random() * spreadMs);
        this.#isStale = false;
        const wasFinal = this.#state?.dataset.final === "yes";
        const [curve, state] = await Promise.all([
          this.#box ? fetched(`${this.#base}curve.json`) : "",
          fetched(`${this.#base}state/`),
        ]);
        if (curve === undefined || !state) return;
        if (this.#box) this.#draw(this.#box, JSON.parse(curve) as Columns);
        const holder = document.createElement("template");
        holder.innerHTML = state;
        const fresh = holder.content.firstElementChild;
        if (fresh instanceof HTMLElement && !wasFinal) {
          this.#state?.replaceWith(fresh);
          offerVerbs(fresh.dataset.verbs?.split(" ") ?? []);
          // When a run ends, its page gains examples and other parts.
          if (fresh.dataset.final === "yes") location.reload();
        }
      }
    } finally {
      this.#isFetching = false;
    }
  }

  #draw(box: HTMLElement, { columns }: Columns): void {
    const hasPoints = (columns.step ?? []).length > 0;
    box.hidden = !hasPoints;
    const empty = document.querySelector<HTMLElement>("#run-curve-empty");
    if (empty) empty.hidden = hasPoints;
    if (hasPoints) for (const chart of this.#charts) chart.draw(columns);
  }

  #redraw(): void {
    for (const chart of this.#charts) chart.redraw();
  }
}

/** The buttons stay in the page to keep the focus; the run's state says which of them show. */
function offerVerbs(verbs: string[]): void {
  for (const form of document.querySelectorAll<HTMLFormElement>("#run-actions [data-verb]")) {
    form.hidden = !verbs.includes(form.dataset.verb ?? "");
  }
}

const page = document.querySelector<HTMLElement>("#run");
if (page) new RunPage(page, page.querySelector<HTMLElement>("#run-curve"));
