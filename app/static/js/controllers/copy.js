/** Copies `data-copy`, or the text of the element that `data-copy-from` names. */
import { copyText } from "../clipboard.js";

export default function copy(element) {
  element.addEventListener("click", () => {
    const from = element.dataset.copyFrom;
    copyText(from ? document.getElementById(from)?.textContent ?? "" : element.dataset.copy);
  });
}
