const at = (id) => document.getElementById(id);
const [form, field, list, message, status] = ["new", "name", "items", "message", "status"].map(at);
const draft = "shopping.draft";

function say(text) {
  message.textContent = text;
  message.hidden = !text;
}

async function ask(path, method = "GET", body = undefined) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Error("The list cannot be reached. Try again in a moment.");
  }
  if (answer.status === 204) return undefined;
  const type = answer.headers.get("Content-Type") ?? "";
  if (answer.status === 429) throw new Error("Too many requests. Try again in a moment.");
  if (!type.startsWith("application/json")) throw new Error("The list is not available at the moment.");
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.message);
  return told;
}

function button(label, kind, press) {
  const made = document.createElement("button");
  made.textContent = label;
  made.className = kind;
  made.addEventListener("click", () => act(press));
  return made;
}

function line(item) {
  const entry = document.createElement("li");
  const name = document.createElement("span");
  name.className = "name";
  name.textContent = item.name;
  entry.className = item.bought ? "bought" : "missing";
  const change = () => ask(`/api/items/${item.id}`, "PATCH", { bought: !item.bought });
  entry.append(name);
  entry.append(item.bought ? button("Still missing", "change", change) : button("Bought", "change", change));
  entry.append(button("Remove", "remove", () => ask(`/api/items/${item.id}`, "DELETE")));
  return entry;
}

async function show() {
  const { items } = await ask("/api/items");
  list.replaceChildren(...items.map(line));
  status.textContent = items.length ? `${items.length} on the list.` : "Nothing is missing.";
}

async function act(work) {
  try {
    await work();
    await show();
    say("");
  } catch (error) {
    say(error.message);
  }
}

field.value = localStorage.getItem(draft) ?? "";
field.addEventListener("input", () => localStorage.setItem(draft, field.value));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  act(async () => {
    await ask("/api/items", "POST", { name: field.value });
    localStorage.removeItem(draft);
    field.value = "";
  });
});
act(async () => {});
