/** Typed fields: says at once when a text does not match its declared pattern. The server checks again. */
export default function variables(section) {
  for (const field of section.querySelectorAll("[data-pattern]")) {
    let pattern;
    try {
      pattern = new RegExp(`^(?:${field.dataset.pattern})$`, "u");
    } catch {
      continue; // Python's dialect differs here and there; the server's word counts
    }
    field.addEventListener("input", () => {
      const wrong = field.value !== "" && !pattern.test(field.value);
      field.setCustomValidity(wrong ? `Has to match ${field.dataset.pattern}` : "");
    });
  }
}
