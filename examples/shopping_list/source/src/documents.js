// The documents of this version as pages; the runbooks that alerts lead to are among them.
import { readdirSync, readFileSync } from "node:fs";
import { Marked } from "marked";
import { root } from "./settings.js";

const folder = new URL("docs/", root);
const anchor = (heading) => heading.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
const marked = new Marked({
  renderer: {
    heading({ tokens, depth, text }) {
      return `<h${depth} id="${anchor(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
  },
});

function page(name) {
  // Between files the documents link to each other by file name; pages have none.
  const text = readFileSync(new URL(`${name}.md`, folder), "utf8").replace(/\]\(([a-z-]+)\.md(#[a-z0-9-]+)?\)/g, "](/docs/$1$2)");
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${name}</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/assets/style.css"></head>
<body>${marked.parse(text)}</body>
</html>
`;
}

const names = readdirSync(folder).map((file) => file.replace(/\.md$/, ""));
export const documents = new Map(names.map((name) => [name, page(name)]));
