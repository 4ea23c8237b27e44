/**
 * The one confirm dialog. A form with data-confirm is held until it is answered; with data-confirm-name the name has
 * to be typed and travels as `confirm_name`, because the service checks it again.
 */
export default function confirm(dialog) {
  const part = (name) => dialog.querySelector(`[data-confirm-${name}]`);
  const input = dialog.querySelector("input");
  const yes = part("yes");
  let held = null;

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset?.confirm || form.dataset.confirmed) return;
    event.preventDefault();
    held = { form, submitter: event.submitter };
    const name = form.dataset.confirmName ?? "";
    dialog.querySelector("h2").textContent = event.submitter?.textContent.trim() || "Are you sure?";
    part("text").textContent = form.dataset.confirm;
    part("typed").hidden = !name;
    part("expected").textContent = name;
    yes.textContent = event.submitter?.textContent.trim() || "Go on";
    yes.disabled = Boolean(name);
    input.value = "";
    dialog.returnValue = "";
    dialog.showModal();
    (name ? input : dialog.querySelector("[value=no]")).focus();
  }, true);

  input.addEventListener("input", () => { yes.disabled = input.value !== held?.form.dataset.confirmName; });
  dialog.addEventListener("close", () => {
    const { form, submitter } = held ?? {};
    held = null;
    if (!form || dialog.returnValue !== "yes") return;
    hidden(form, "confirmed", "1");
    if (form.dataset.confirmName) hidden(form, "confirm_name", form.dataset.confirmName);
    form.dataset.confirmed = "1";
    form.requestSubmit(submitter ?? undefined);
    delete form.dataset.confirmed;
  });
}

function hidden(form, name, value) {
  const field = form.querySelector(`input[type=hidden][name=${name}]`) ?? form.appendChild(document.createElement("input"));
  field.type = "hidden";
  field.name = name;
  field.value = value;
}
