/** Ticks all rows of a table at once; x ticks the row that j and k moved to. */
import { typing } from "./keyboard.js";

export default function ticks(form) {
  const all = form.querySelector("[data-tick-all]");
  const boxes = () => [...form.querySelectorAll("tbody input[type=checkbox]")];
  const show = () => {
    const ticked = boxes().filter((box) => box.checked).length;
    all.checked = ticked > 0 && ticked === boxes().length;
    all.indeterminate = ticked > 0 && ticked < boxes().length;
  };
  all?.addEventListener("change", () => boxes().forEach((box) => { box.checked = all.checked; }));
  form.addEventListener("change", show);
  const press = (event) => {
    if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey || typing(event)) return;
    const box = form.querySelector("tr[data-current] input[type=checkbox]");
    if (!box) return;
    box.checked = !box.checked;
    show();
  };
  document.addEventListener("keydown", press);
  return () => document.removeEventListener("keydown", press);
}
