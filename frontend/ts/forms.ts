// The agent form: counts the prompt's characters and fills settings from the chosen preset.

function countCharacters(area: HTMLTextAreaElement): void {
  const limit = Number(area.dataset.countTo);
  const counter = document.createElement("p");
  counter.className = "help text-right";
  const show = (): void => {
    const used = Array.from(area.value.replace(/\r\n/g, "\n")).length;
    counter.textContent = `${used.toLocaleString("en")} of ${limit.toLocaleString("en")} characters`;
    counter.classList.toggle("text-error", used > limit);
  };
  area.after(counter);
  area.addEventListener("input", show);
  show();
}

type Values = Record<string, Record<string, unknown>>; // by method, then by field

function followPresets(): void {
  const radios = (name: string): HTMLInputElement[] => [
    ...document.querySelectorAll<HTMLInputElement>(`input[data-${name}]`),
  ];
  const presets = radios("preset");
  const custom = presets.find((preset) => preset.value === "custom");
  const details = document.querySelector<HTMLDetailsElement>("[data-custom]");
  if (!custom || !details) return;
  const show = (): void => {
    const preset = presets.find((one) => one.checked);
    const method = radios("method").find((one) => one.checked)?.value ?? "";
    const values = (JSON.parse(preset?.dataset.values ?? "{}") as Values)[method] ?? {};
    for (const [name, value] of Object.entries(values)) {
      const control = details.querySelector<HTMLInputElement | HTMLSelectElement>(
        `[name="${name}"]:enabled`,
      );
      if (control) control.value = String(value);
    }
  };
  for (const radio of [...presets, ...radios("method")]) radio.addEventListener("change", show);
  custom.addEventListener("change", () => {
    details.open = true;
  });
  // Changing any setting selects "Custom".
  details.addEventListener("input", () => {
    custom.checked = true;
  });
}

for (const area of document.querySelectorAll<HTMLTextAreaElement>("textarea[data-count-to]")) {
  countCharacters(area);
}
followPresets();
