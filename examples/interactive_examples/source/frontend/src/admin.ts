// The administrators' page.
import "./style.css";
import * as api from "./api.ts";
import { attempt, button, element, field, messageArea, moment, report, show } from "./dom.ts";

const users = element("tbody", { id: "users" });
const activity = element("tbody", { id: "activity" });

function table(columns: string[], body: HTMLElement): HTMLElement {
  const names = columns.map((column) => element("th", { scope: "col" }, column));
  return element("table", {}, element("thead", {}, element("tr", {}, ...names)), body);
}

function row(...cells: (Node | string)[]): HTMLElement {
  return element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));
}

function userRow(user: api.User): HTMLElement {
  const remove = () =>
    attempt(async () => {
      await api.deleteUser(user.id);
      await refresh();
      show(`Removed ${user.username}.`, "notice");
    });
  const control = user.is_admin ? "" : button("Remove", `remove-${user.username}`, remove);
  return row(user.username, user.is_admin ? "administrator" : "user", moment(user.created_at), control);
}

async function refresh(): Promise<void> {
  const [everybody, events] = await Promise.all([api.listUsers(), api.listActivity()]);
  users.replaceChildren(...everybody.map(userRow));
  activity.replaceChildren(
    ...events.map((event) => row(moment(event.created_at), event.kind, event.user_id === null ? "-" : String(event.user_id))),
  );
}

function newUserForm(): HTMLElement {
  const [nameLabel, name] = field("Name", "new-username", { maxlength: "40", autocomplete: "off" });
  const [passwordLabel, password] = field("Password", "new-password", {
    type: "password",
    minlength: "10",
    maxlength: "200",
    autocomplete: "new-password",
  });
  const submit = element("button", { type: "submit", id: "create" }, "Create user");
  const form = element("form", { id: "new-user" }, nameLabel, passwordLabel, submit);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(async () => {
      const user = await api.createUser(name.value, password.value);
      form.reset();
      await refresh();
      show(`Created ${user.username}.`, "notice");
    });
  });
  return form;
}

document.querySelector("#admin")?.append(
  element("header", {}, element("h1", {}, "Administration"), element("a", { href: "/" }, "Back to the examples")),
  messageArea(),
  element(
    "main",
    {},
    element("h2", {}, "Users"),
    table(["Name", "Role", "Since", ""], users),
    newUserForm(),
    element("h2", {}, "Activity"),
    table(["When", "What", "User"], activity),
  ),
);
void report(refresh);
