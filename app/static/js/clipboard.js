/** Copy text; falls back to a hidden field where the clipboard API is missing (plain HTTP on another host). */
import { toast } from "./toast.js";

export async function copyText(text, said = "Copied") {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) {
      toast("The browser refused to copy");
      return false;
    }
  }
  toast(said);
  return true;
}
