"""What every page must pass: axe-core's rules and no sideways scrolling, in every variant."""

from typing import Any, Literal

from playwright.sync_api import Page, TimeoutError, ViewportSize

from arena.config.env import REPOSITORY

AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
GRAVE = {"serious", "critical"}
# A colour in mid-transition is not a final one: wait for transitions that end.
STILL = """() => document.getAnimations().every((each) => each.playState !== "running"
  || !Number.isFinite(each.effect?.getComputedTiming().endTime))"""
CHECK = """() => axe.run(document, {resultTypes: ["violations"]}).then((found) =>
  found.violations.map(({id, impact, help, nodes}) => ({id, impact, help,
    nodes: nodes.map((node) => node.html.slice(0, 200))})))"""
FITS = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
FIT_MS = 30_000  # charts redraw themselves for another width


def problems_in_every_guise(page: Page) -> list[str]:
    """Serious violations at desktop and phone width, light and dark; the page keeps its state."""
    page.evaluate(AXE.read_text())
    found: dict[str, list[str]] = {}  # sentence -> the guises in which it holds
    for width, viewport in (("phone", PHONE), ("desktop", DESKTOP)):
        page.set_viewport_size(viewport)
        try:
            page.wait_for_function(FITS, timeout=FIT_MS)
        except TimeoutError:
            found.setdefault("scrolls sideways", []).append(width)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.wait_for_function(STILL)
            for violation in page.evaluate(CHECK):
                if violation["impact"] in GRAVE:
                    found.setdefault(_sentence(violation), []).append(f"{width} {scheme}")
    page.emulate_media(reduced_motion="no-preference")
    return [f"{page.url} ({', '.join(guises)}): {what}" for what, guises in found.items()]


def _sentence(violation: dict[str, Any]) -> str:
    return f"{violation['impact']} {violation['id']}: {violation['help']}: {violation['nodes']}"
