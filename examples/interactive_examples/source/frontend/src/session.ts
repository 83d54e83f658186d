// The login form, or who is logged in.
import * as api from "./api.ts";
import { attempt, button, element, field } from "./dom.ts";

export class SessionPanel {
  readonly root = element("div", { id: "session" });
  account: api.Account | null = null;

  constructor(private readonly onChange: () => void) {}

  async start(): Promise<void> {
    this.become((await api.loadSession()).account);
  }

  private become(account: api.Account | null): void {
    this.account = account;
    this.root.replaceChildren(account === null ? this.form() : this.card(account));
    this.onChange();
  }

  private form(): HTMLElement {
    const [nameLabel, name] = field("Name", "username", { autocomplete: "username", maxlength: "40" });
    const [passwordLabel, password] = field("Password", "password", {
      type: "password",
      autocomplete: "current-password",
      maxlength: "200",
    });
    const submit = element("button", { type: "submit", id: "log-in" }, "Log in");
    const form = element("form", { id: "login" }, nameLabel, passwordLabel, submit);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void attempt(async () => this.become(await api.logIn(name.value, password.value)));
    });
    return form;
  }

  private card(account: api.Account): HTMLElement {
    const card = element("div", { id: "account" }, element("span", { id: "who" }, account.username));
    if (account.is_admin) {
      card.append(element("a", { href: "/admin", id: "administration" }, "Administration"));
    }
    const leave = () =>
      attempt(async () => {
        await api.logOut();
        this.become(null);
      });
    card.append(button("Log out", "log-out", leave));
    return card;
  }
}
