/** After a refused form: bring the first wrong field into view and put the cursor there. */
export default function formErrors(element) {
  const field = document.querySelector("[aria-invalid=true]");
  (field ?? element).focus({ preventScroll: true });
  (field ?? element).scrollIntoView({ block: "center" });
}
