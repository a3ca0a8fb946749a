// A training run: draws the curve, and follows the run while it is going on.
import uPlot from "uplot";
import { LiveSocket } from "./lib/live_socket";

interface Columns {
  is_final: boolean;
  step: number[];
  loss: (number | null)[];
  accuracy: (number | null)[];
}

const POLL_MS = 3000;
const HEIGHT = 256;

class RunPage {
  readonly #base: string;
  readonly #box: HTMLElement;
  #chart: uPlot | undefined;
  #columns: Columns | undefined;
  #isFetching = false;
  #isStale = false;

  constructor(page: HTMLElement, box: HTMLElement) {
    const id = page.dataset.run ?? "";
    this.#base = `/runs/${id}/`;
    this.#box = box;
    new ResizeObserver(() => this.#chart?.setSize(this.#size)).observe(box);
    document.addEventListener("themechange", () => this.#redraw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
    void this.#update();
    if (this.#state?.dataset.final === "yes") return;
    const socket = new LiveSocket(
      () => `/ws/runs/${id}/`,
      () => void this.#update(),
      () => undefined,
    );
    window.setInterval(() => {
      if (!socket.isOpen) void this.#update();
    }, POLL_MS);
  }

  get #state(): HTMLElement | null {
    return document.querySelector<HTMLElement>("#run-state");
  }

  get #size(): { width: number; height: number } {
    return { width: this.#box.clientWidth, height: HEIGHT };
  }

  async #update(): Promise<void> {
    this.#isStale = true;
    if (this.#isFetching) return;
    this.#isFetching = true;
    try {
      while (this.#isStale) {
        this.#isStale = false;
        const wasFinal = this.#state?.dataset.final === "yes";
        const [curve, state] = await Promise.all([
          fetch(`${this.#base}curve.json`),
          fetch(`${this.#base}state/`),
        ]);
        if (!curve.ok || !state.ok) return;
        this.#draw((await curve.json()) as Columns);
        const holder = document.createElement("template");
        holder.innerHTML = await state.text();
        const fresh = holder.content.firstElementChild;
        if (fresh instanceof HTMLElement && !wasFinal) {
          this.#state?.replaceWith(fresh);
          // The end brings examples and other parts of the page with it.
          if (fresh.dataset.final === "yes") location.reload();
        }
      }
    } catch {
      // The next nudge or poll tries again.
    } finally {
      this.#isFetching = false;
    }
  }

  #draw(columns: Columns): void {
    this.#columns = columns;
    const hasPoints = columns.step.length > 0;
    this.#box.hidden = !hasPoints;
    const empty = document.querySelector<HTMLElement>("#run-curve-empty");
    if (empty) empty.hidden = hasPoints;
    if (!hasPoints) return;
    const data: uPlot.AlignedData = [columns.step, columns.loss, columns.accuracy];
    if (this.#chart) this.#chart.setData(data);
    else this.#chart = new uPlot(this.#options(), data, this.#box);
    showLatest(this.#chart);
  }

  #redraw(): void {
    this.#chart?.destroy();
    this.#chart = undefined;
    if (this.#columns) this.#draw(this.#columns);
  }

  #options(): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(`--color-${name}`).trim();
    const axis = { stroke: colour("base-content"), font: "12px sans-serif" };
    const grid = { stroke: colour("base-300"), width: 1 };
    return {
      ...this.#size,
      cursor: { points: { size: 7 } },
      hooks: { setCursor: [showLatest] },
      scales: { x: { time: false }, share: { range: [0, 1] } },
      axes: [
        { ...axis, grid: { show: false }, ticks: grid },
        { ...axis, grid, ticks: { show: false }, size: 52 },
        {
          ...axis,
          scale: "share",
          side: 1,
          grid: { show: false },
          ticks: { show: false },
          values: (_, ticks) => ticks.map((tick) => `${Math.round(tick * 100)} %`),
        },
      ],
      series: [
        { label: "Step" },
        { label: "Loss", stroke: colour("primary"), width: 2, points: { show: false } },
        {
          label: "Prefers the better answer",
          scale: "share",
          stroke: colour("accent"),
          width: 1.5,
          dash: [5, 4],
          points: { show: false },
          value: (_, value) => (value == null ? "–" : `${Math.round(value * 100)} %`),
        },
      ],
    };
  }
}

/** Without a pointer over the chart its legend names the newest step. */
function showLatest(chart: uPlot): void {
  if (chart.cursor.idx == null) chart.setLegend({ idx: chart.data[0].length - 1 });
}

const page = document.querySelector<HTMLElement>("#run");
const box = document.querySelector<HTMLElement>("#run-curve");
if (page && box) new RunPage(page, box);
