/** A <details> menu that closes on Escape and on a click elsewhere. */
export default function menu(element) {
  const outside = (event) => { if (element.open && !element.contains(event.target)) element.open = false; };
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && element.open) {
      element.open = false;
      element.querySelector("summary").focus();
    }
  });
  document.addEventListener("click", outside);
  return () => document.removeEventListener("click", outside);
}
