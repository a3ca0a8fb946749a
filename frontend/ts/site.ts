// On every page: htmx, the theme switch, menus, and forms that send once.
import "htmx.org";

const YEAR_SECONDS = 365 * 24 * 3600;
const THEME_NAMES: Record<string, string> = { light: "clay", dark: "ember" };

function chooseTheme(choice: string): void {
  document.cookie = `theme=${choice}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
  const name = THEME_NAMES[choice];
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-theme-form] button")) {
    button.setAttribute("aria-pressed", String(button.value === choice));
  }
  document.dispatchEvent(new Event("themechange"));
}

// On a phone the navigation scrolls sideways: the current section is in sight.
document.querySelector("header nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

function closeMenus(except?: Node): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details[data-menu][open]")) {
    if (!except || !menu.contains(except)) menu.open = false;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) return;
  const button = event.submitter;
  if (form.matches("[data-theme-form]") && button instanceof HTMLButtonElement) {
    event.preventDefault();
    chooseTheme(button.value);
    closeMenus();
  } else if (form.matches("[data-once]")) {
    // The server ignores a second submission by its id; this only gives feedback at once.
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    button?.setAttribute("aria-busy", "true");
  }
});

function allowAgain(form: HTMLFormElement): void {
  delete form.dataset.sent;
  form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
}

function allowAllAgain(): void {
  document.querySelectorAll<HTMLFormElement>("form[data-sent]").forEach(allowAgain);
}

// Who stops a long upload stays on the page, and no event says so: by Escape, or by the browser's
// own button and then by changing the form.
for (const kind of ["input", "change"]) {
  document.addEventListener(kind, (event) => {
    const form = event.target instanceof Element && event.target.closest<HTMLFormElement>("form[data-sent]");
    if (form) allowAgain(form);
  });
}

// The server writes UTC; whoever reads has a clock on the wall.
const LOCAL_TIME = new Intl.DateTimeFormat("en-GB", {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
});

function showLocalTimes(): void {
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-local-time]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) time.textContent = LOCAL_TIME.format(moment);
  }
}

showLocalTimes();
document.addEventListener("htmx:after:swap", showLocalTimes);

// Focus the first field that was refused, or else the first field of an entrance form.
const refused = document.querySelector<HTMLElement>("[aria-invalid=true]");
const first = document.querySelector<HTMLElement>("[data-first-field] input:not([type=hidden])");
(refused ?? first)?.focus();

// A page taken from the back/forward cache may send its forms again. One with a key for a single
// intent is asked for anew: its key is spent, and its balance and agents are old.
window.addEventListener("pageshow", (event) => {
  if (event.persisted && document.querySelector("[data-key]")) location.reload();
  allowAllAgain();
});

// What leads on by itself leaves no step in the history: Back must not lead here again.
document.addEventListener("htmx:finally:request", (event) => {
  const { ctx } = (event as CustomEvent<{ ctx: { hx?: Record<string, string> } }>).detail;
  if (ctx.hx?.leavefor) location.replace(ctx.hx.leavefor);
});

// A page that nobody sees asks for nothing; its polls go on once it is shown.
document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = (event as CustomEvent<{ ctx: { sourceEvent?: Event } }>).detail;
  if (document.hidden && ctx.sourceEvent?.type === "every") event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (event.target instanceof Node) closeMenus(event.target);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  allowAllAgain();
  const open = document.querySelector<HTMLDetailsElement>("details[data-menu][open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary")?.focus();
});
