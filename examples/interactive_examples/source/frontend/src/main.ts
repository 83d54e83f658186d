// The page with the examples.
import "./style.css";
import * as api from "./api.ts";
import { attempt, button, clearMessage, element, messageArea, report, show } from "./dom.ts";
import { forgetDraft, keepDraft, loadDraft } from "./drafts.ts";
import { CodeEditor } from "./editor.ts";
import { ResultList } from "./results.ts";
import { SessionPanel } from "./session.ts";

const title = element("h2", { id: "title" });
const description = element("p", { id: "description" });
const list = element("ul", { id: "examples" });
const editorBox = element("div", { id: "editor" });
const stdout = element("pre", { id: "stdout", "aria-label": "Output" });
const stderr = element("pre", { id: "stderr", "aria-label": "Errors", hidden: "" });
const status = element("p", { id: "status", role: "status" });

let current: api.ExampleDetail | null = null;
let turns = 0;
let outcome: (api.Outcome & { code: string; example: string }) | null = null;

const results = new ResultList(openResult);
const session = new SessionPanel(() => {
  void report(() => results.refresh(session.account));
  updateSave();
});
const editor = new CodeEditor(editorBox, (code) => {
  if (current !== null) {
    keepDraft(current.slug, code);
  }
});

const runButton = button("Run", "run", () => attempt(runCode));
const resetButton = button("Reset", "reset", reset);
const copyButton = button("Copy", "copy", () => attempt(copy));
const saveButton = button("Save result", "save", () => attempt(saveResult));
const controls = element(
  "div",
  { id: "controls" },
  runButton,
  resetButton,
  copyButton,
  saveButton,
);
enable(false);

// There is nothing to run before the first example is there.
function enable(enabled: boolean): void {
  for (const control of [runButton, resetButton, copyButton]) {
    control.disabled = !enabled;
  }
}

async function runCode(): Promise<void> {
  if (current === null) {
    return;
  }
  const [code, example] = [editor.code, current.slug];
  runButton.disabled = true;
  status.textContent = "Running";
  showOutcome(null);
  try {
    showOutcome({ ...(await api.run(current.language, code, example)), code, example });
  } finally {
    runButton.disabled = false;
    if (outcome === null) {
      status.textContent = "";
    }
  }
}

function showOutcome(shown: typeof outcome): void {
  outcome = shown;
  stdout.textContent = shown?.stdout ?? "";
  stderr.textContent = shown?.stderr ?? "";
  stderr.hidden = stderr.textContent === "";
  if (shown !== null) {
    status.textContent = describe(shown);
    status.className = shown.exit_code === 0 ? "good" : "bad";
  }
  updateSave();
}

function describe(shown: api.Outcome): string {
  if (shown.timed_out) {
    return "Stopped: the program took too long.";
  }
  if (shown.truncated) {
    return "Stopped: the program wrote too much.";
  }
  return shown.exit_code === 0 ? "Finished." : `Ended with exit code ${shown.exit_code}.`;
}

function updateSave(): void {
  saveButton.disabled = outcome === null || session.account === null;
  saveButton.title = session.account === null ? "Log in to save results" : "";
}

async function saveResult(): Promise<void> {
  if (outcome === null) {
    return;
  }
  const { example, code, stdout, stderr, exit_code } = outcome;
  await api.saveResult({ example, code, stdout, stderr, exit_code });
  await results.refresh(session.account);
  show("Saved.", "notice");
}

function reset(): void {
  clearMessage();
  if (current !== null) {
    forgetDraft(current.slug);
    editor.show(current.code, current.language);
    showOutcome(null);
    status.textContent = "";
  }
}

async function copy(): Promise<void> {
  try {
    await navigator.clipboard.writeText(editor.code);
  } catch {
    throw new Error("The browser does not allow copying.");
  }
  show("Copied.", "notice");
}

async function openResult(result: api.Result): Promise<void> {
  if (!(await open(result.example)) || current === null) {
    return;
  }
  keepDraft(current.slug, result.code);
  editor.show(result.code, current.language);
  showOutcome({ ...result, timed_out: false, truncated: false });
}

// The example that was asked for last is shown, whichever answer comes last. Returns whether it is this one.
async function open(slug: string): Promise<boolean> {
  const turn = ++turns;
  const loaded = await api.loadExample(slug);
  if (turn !== turns) {
    return false;
  }
  current = loaded;
  title.textContent = current.title;
  description.textContent = current.description;
  editor.show(loadDraft(slug) ?? current.code, current.language);
  showOutcome(null);
  status.textContent = "";
  enable(true);
  for (const link of list.querySelectorAll("a")) {
    link.toggleAttribute("aria-current", link.hash === `#${slug}`);
  }
  return true;
}

async function start(): Promise<void> {
  const [examples, popularity] = await Promise.all([api.listExamples(), api.loadPopularity()]);
  const runs = new Map(popularity.map((entry) => [entry.slug, entry.runs]));
  list.replaceChildren(
    ...examples.map((example) =>
      element(
        "li",
        {},
        element("a", { href: `#${example.slug}` }, example.title),
        element("small", {}, `${example.language}, run ${runs.get(example.slug) ?? 0} times`),
      ),
    ),
  );
  const openFromAddress = async (): Promise<void> => {
    await open(location.hash.slice(1) || (examples[0]?.slug ?? ""));
  };
  addEventListener("hashchange", () => void attempt(openFromAddress));
  await openFromAddress();
  await session.start();
}

document.querySelector("#app")?.append(
  element("header", {}, element("h1", {}, "Interactive examples"), session.root),
  messageArea(),
  element("nav", { "aria-label": "Examples" }, list),
  element("main", {}, title, description, editorBox, controls, status, stdout, stderr, results.root),
);
void report(start);
