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

function followPresets(): void {
  const presets = [...document.querySelectorAll<HTMLInputElement>("input[data-preset]")];
  const custom = presets.find((preset) => preset.value === "custom");
  const details = document.querySelector<HTMLDetailsElement>("[data-custom]");
  if (!custom || !details) return;
  for (const preset of presets) {
    preset.addEventListener("change", () => {
      if (preset === custom) details.open = true;
      const values: Record<string, unknown> = JSON.parse(preset.dataset.values ?? "{}");
      for (const [name, value] of Object.entries(values)) {
        const control = details.querySelector<HTMLInputElement | HTMLSelectElement>(
          `[name="learning_${name}"]`,
        );
        if (control) control.value = String(value);
      }
    });
  }
  // Touching one setting means: use what stands here.
  details.addEventListener("input", () => {
    custom.checked = true;
  });
}

for (const area of document.querySelectorAll<HTMLTextAreaElement>("textarea[data-count-to]")) {
  countCharacters(area);
}
followPresets();
