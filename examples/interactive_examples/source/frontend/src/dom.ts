// Elements are made here alone, and text enters them as text: nothing that somebody wrote becomes markup.

type Attributes = Record<string, string>;

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function button(text: string, id: string, onClick: () => void | Promise<void>): HTMLButtonElement {
  const made = element("button", { type: "button", id }, text);
  made.addEventListener("click", () => void onClick());
  return made;
}

export function field(label: string, id: string, attributes: Attributes): [HTMLLabelElement, HTMLInputElement] {
  const input = element("input", { id, name: id, required: "", ...attributes });
  return [element("label", { for: id }, label, input), input];
}

const message = element("p", { id: "message", role: "alert", hidden: "" });

export function messageArea(): HTMLElement {
  return message;
}

export function show(text: string, kind: "error" | "notice"): void {
  message.textContent = text;
  message.className = kind;
  message.hidden = false;
}

export function clearMessage(): void {
  message.hidden = true;
}

// Does what a person asked for; an earlier message is done with.
export async function attempt(action: () => Promise<void>): Promise<void> {
  clearMessage();
  await report(action);
}

// Does what nobody asked for at this moment; what goes wrong is shown.
export async function report(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    show(error instanceof Error ? error.message : "Something went wrong.", "error");
  }
}

export const moment = (text: string): string => new Date(text).toLocaleString();
