/** System, light, dark: one button goes round. */
import { swapIcon } from "../icons.js";

const ORDER = ["auto", "light", "dark"];
const ICONS = { auto: "auto", light: "sun", dark: "moon" };
const WORDS = { auto: "as the system", light: "light", dark: "dark" };

export default function theme(element) {
  const button = element.querySelector("[data-theme-switch]");
  const root = document.documentElement;
  const show = () => {
    const now = root.dataset.theme ?? "auto";
    swapIcon(button, ICONS[now]);
    button.setAttribute("aria-label", `Theme: ${WORDS[now]}. Switch`);
    button.title = `Theme: ${WORDS[now]}`;
  };
  button.addEventListener("click", () => {
    const next = ORDER[(ORDER.indexOf(root.dataset.theme ?? "auto") + 1) % ORDER.length];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (next === "auto") localStorage.removeItem("theme");
      else localStorage.setItem("theme", next);
    } catch {
      // The choice then lasts for this page only.
    }
    show();
  });
  show();
}
