// One JSON object a line on standard output, where the journal takes it up: it reads the priority from the line's beginning.
import { build } from "./settings.js";

const priorities = { error: 3, warning: 4, info: 6 };

export function log(level, message, fields = {}) {
  const entry = { time: new Date().toISOString(), level, message, release: build.release, ...fields };
  const prefix = process.env.JOURNAL_STREAM ? `<${priorities[level]}>` : "";
  process.stdout.write(`${prefix}${JSON.stringify(entry)}\n`);
}
