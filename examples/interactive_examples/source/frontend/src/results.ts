// The results that a person has saved.
import * as api from "./api.ts";
import { attempt, button, element, moment } from "./dom.ts";

export class ResultList {
  private readonly list = element("ul", { id: "results" });
  readonly root = element("section", { "aria-labelledby": "results-title", hidden: "" });

  constructor(private readonly onOpen: (result: api.Result) => Promise<void>) {
    this.root.append(element("h2", { id: "results-title" }, "Saved results"), this.list);
  }

  async refresh(account: api.Account | null): Promise<void> {
    this.root.hidden = account === null;
    const results = account === null ? [] : await api.listResults();
    this.list.replaceChildren(...results.map((result) => this.row(result)));
    if (results.length === 0) {
      this.list.append(element("li", { class: "empty" }, "Nothing saved yet."));
    }
  }

  private row(result: api.Result): HTMLElement {
    const row = element(
      "li",
      { "data-result": String(result.id) },
      element("strong", {}, result.example),
      element("time", { datetime: result.created_at }, moment(result.created_at)),
      element("pre", {}, result.stdout || result.stderr || "(no output)"),
    );
    const remove = () =>
      attempt(async () => {
        await api.deleteResult(result.id);
        row.remove();
      });
    row.append(
      button("Open", `open-${result.id}`, () => attempt(() => this.onOpen(result))),
      button("Delete", `delete-${result.id}`, remove),
    );
    return row;
  }
}
