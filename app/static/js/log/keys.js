/** Buttons, fields and keys of the log. */
import { typing } from "../controllers/keyboard.js";

export class Keys {
  constructor(viewer) {
    this.viewer = viewer;
    const on = (name, type, act) => viewer.part(name)?.addEventListener(type, act);
    on("follow", "click", () => viewer.setFollow(!viewer.follow));
    on("wrap", "click", () => viewer.setWrap(!viewer.view.wrap));
    on("copy", "click", () => viewer.copy());
    on("fold-all", "click", () => viewer.foldAll(true));
    on("unfold-all", "click", () => viewer.foldAll(false));
    on("start", "click", () => { viewer.setFollow(false); viewer.view.show(0, "start"); });
    on("end", "click", () => (viewer.running ? viewer.setFollow(true) : viewer.view.toEnd()));
    on("failure", "click", () => viewer.goTo(viewer.lines.firstFailure));
    on("level", "change", (event) => viewer.setLevel(event.target.value));
    on("next", "click", () => viewer.findNext(1));
    on("previous", "click", () => viewer.findNext(-1));
    on("search-form", "submit", (event) => {
      event.preventDefault();
      const query = viewer.part("search").value;
      if (query && query === viewer.search.query) viewer.findNext(1);
      else viewer.find(query);
    });
    on("search", "keydown", (event) => {
      if (event.key === "Escape") {
        event.target.value = "";
        viewer.find("");
        viewer.part("scroll").focus();
      } else if (event.key === "Enter" && event.shiftKey) {
        event.preventDefault();
        viewer.findNext(-1);
      }
    });
    on("rows", "click", (event) => this.clicked(event));
    this.key = (event) => this.pressed(event);
    document.addEventListener("keydown", this.key);
  }

  stop() {
    document.removeEventListener("keydown", this.key);
  }

  clicked(event) {
    const number = event.target.closest("a.log-number");
    if (number?.dataset.n) {
      event.preventDefault();
      this.viewer.selection.click(Number(number.dataset.n), event.shiftKey);
      return;
    }
    const fold = event.target.closest(".log-task")?.querySelector("[data-fold]");
    if (fold && !fold.disabled && !getSelection().toString()) this.viewer.fold(Number(fold.dataset.fold));
  }

  pressed(event) {
    const viewer = this.viewer;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event)) return;
    if (document.querySelector("dialog[open]")) return;
    const act = {
      f: () => viewer.setFollow(!viewer.follow),
      w: () => viewer.setWrap(!viewer.view.wrap),
      n: () => (viewer.search.query ? viewer.findNext(1) : viewer.failure(1)),
      N: () => (viewer.search.query ? viewer.findNext(-1) : viewer.failure(-1)),
      j: () => this.move(1),
      k: () => this.move(-1),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  move(by) {
    const viewer = this.viewer;
    const start = viewer.current || (viewer.rows.at(viewer.view.first)?.line ?? 1);
    viewer.current = Math.min(viewer.lines.total, Math.max(1, start + by));
    viewer.setFollow(false);
    viewer.view.show(viewer.rows.rowOf(viewer.current), "nearest");
  }
}
