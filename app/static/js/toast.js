/** One short sentence at the bottom of the page, read out by screen readers, gone after four seconds. */
let timer = 0;

export function toast(text) {
  const box = document.getElementById("toast");
  if (!box) return;
  box.textContent = text;
  box.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => { box.hidden = true; }, 4000);
}
