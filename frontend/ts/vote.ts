// Blind votes by keyboard: 1 to 4 vote, Enter or N goes on. A key that is held down votes once.

function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return Boolean(target?.closest("input:not([type=hidden]), textarea, select, summary, [contenteditable]"));
}

function onKey(event: KeyboardEvent): void {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
  const choice = document.querySelector<HTMLButtonElement>(`[data-duel-bar] [data-key="${CSS.escape(event.key)}"]`);
  if (choice) {
    event.preventDefault();
    choice.click();
    return;
  }
  const isOnLink = (event.target as HTMLElement | null)?.closest("a, button") !== null;
  if (event.key.toLowerCase() === "n" || (event.key === "Enter" && !isOnLink)) {
    document.querySelector<HTMLAnchorElement>("[data-next]")?.click();
  }
}

// A second click before the next page comes would send the vote again; it counts once, and waits for nothing.
function sendOnce(form: HTMLFormElement): void {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => delete form.dataset.sent);
}

document.addEventListener("keydown", onKey);
const bar = document.querySelector<HTMLFormElement>("form[data-duel-bar]");
if (bar) sendOnce(bar);
document.querySelector<HTMLElement>("[data-outcome]")?.focus({ preventScroll: true });
