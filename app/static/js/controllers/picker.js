/** Choosing servers for a launch: live count, find, preview and what will happen in words. The server decides again. */
const SHOWN = 12;

export default function picker(form) {
  const reading = JSON.parse(form.dataset.reading || "[]"); // modules that change nothing
  const part = (name) => form.querySelector(`[data-picker="${name}"]`);
  const rows = [...form.querySelectorAll("[data-server]")].map((label) => ({
    label, box: label.querySelector("input"), name: label.dataset.name, environment: label.dataset.environment, tags: JSON.parse(label.dataset.tags),
    groups: JSON.parse(label.dataset.groups || "[]"),
  }));

  function chosen() {
    const environment = form.elements.environment?.value;
    const ticked = (name) => [...form.querySelectorAll(`[data-picker-${name}]:checked`)].map((box) => box.value);
    const tags = ticked("tag");
    const groups = ticked("group");
    return rows.filter((r) => r.box.checked || (environment && r.environment === environment)
      || r.tags.some((t) => tags.includes(t)) || r.groups.some((g) => groups.includes(g)));
  }

  function show() {
    const list = chosen();
    const production = list.filter((r) => r.environment === "production").length;
    const n = list.length === 1 ? "1 server" : `${list.length} servers`;
    const check = form.elements.check?.checked;
    const harmless = check || reading.includes(form.elements.module?.value);
    const limit = form.elements.limit?.value.trim();
    part("count").textContent = `${list.length} chosen`;
    part("plan").textContent = list.length === 0
      ? "Choose servers; what will happen then stands here."
      : `${form.dataset.playbook} ${check ? "is tried on" : "runs on"} ${n}${limit ? `, narrowed to “${limit}”` : ""}.${check ? " Nothing is changed." : ""}`;
    part("preview").replaceChildren(...list.slice(0, SHOWN).map((r) => item(r.name)), ...(list.length > SHOWN ? [item(`and ${list.length - SHOWN} more`)] : []));
    part("production").hidden = !production || harmless;
    part("production").lastElementChild.textContent = `${production} of them ${production === 1 ? "is a production server" : "are production servers"}.`;
    const ask = Boolean(production) && !harmless;
    if (!part("confirm")) return; // nothing is launched from this page
    part("confirm").hidden = !ask;
    part("confirm").classList.remove("no-js");
    form.elements.confirm_name.required = ask;
  }

  function item(text) {
    const li = document.createElement("li");
    li.textContent = text;
    return li;
  }

  part("filter").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase();
    for (const r of rows) r.label.hidden = !r.label.textContent.toLowerCase().includes(words);
  });
  part("filter").addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  part("all").addEventListener("click", () => {
    for (const r of rows) if (!r.label.hidden) r.box.checked = true;
    show();
  });
  part("none").addEventListener("click", () => {
    for (const r of rows) r.box.checked = false;
    show();
  });
  form.addEventListener("change", show);
  form.addEventListener("input", show);
  show();
}
