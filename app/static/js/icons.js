/** An icon of the sprite as a DOM node. The sprite's address comes from this module's own. */
const SPRITE = new URL("../icons.svg", import.meta.url).pathname;
const SVG = "http://www.w3.org/2000/svg";

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${SPRITE}#${name}`);
  svg.append(use);
  return svg;
}

export function swapIcon(holder, name) {
  holder.querySelector("svg use")?.setAttribute("href", `${SPRITE}#${name}`);
}
