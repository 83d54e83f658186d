import { readFileSync } from "node:fs";
import { pool } from "./database.js";
import { documents } from "./documents.js";
import { ListFull, add, change, items, remove, removeNamed } from "./items.js";
import { log } from "./log.js";
import { contentType, render } from "./metrics.js";
import { build, root } from "./settings.js";

const object = (properties, required = Object.keys(properties)) => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});
const text = { type: "string" };
// No control characters, no half of a surrogate pair, and something beside blanks.
const line = "[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*";
const name = { type: "string", minLength: 1, maxLength: 1000, pattern: `^${line}[^\\s\\u0000-\\u001f\\u007f\\ud800-\\udfff]${line}$` };
const id = { type: "string", pattern: "^[1-9][0-9]{0,8}$", maxLength: 9 };
const item = object({ id, name, bought: { type: "boolean" } });
const problem = { description: "What is wrong.", ...object({ message: text, request_id: text }) };
const document = (type) => ({ description: "The document.", content: { [type]: { schema: text } } });
const none = { type: "null", description: "Done." };
const html = "text/html; charset=utf-8";
const missing = (reply, request) => reply.code(404).send({ message: "There is no such thing.", request_id: request.id });

const files = [
  ["/", "index.html", html],
  ["/assets/app.js", "assets/app.js", "text/javascript; charset=utf-8"],
  ["/assets/style.css", "assets/style.css", "text/css; charset=utf-8"],
];

export async function routes(app) {
  for (const [path, file, type] of files) {
    const content = readFileSync(new URL(`public/${file}`, root));
    const schema = path === "/" ? { description: "The page.", response: { 200: document("text/html") } } : { hide: true };
    app.get(path, { schema }, (request, reply) => reply.type(type).send(content));
  }

  app.get(
    "/docs/:name",
    {
      schema: {
        description: "A document of this version as a page.",
        params: object({ name: { type: "string", pattern: "^[a-z-]{1,40}$", maxLength: 40 } }),
        response: { 200: document("text/html"), 400: problem, 404: problem },
      },
    },
    (request, reply) => {
      const page = documents.get(request.params.name);
      return page ? reply.type(html).send(page) : missing(reply, request);
    },
  );

  app.get(
    "/version",
    { schema: { description: "The running version.", response: { 200: { description: "It.", ...object({ version: text, commit: text, release: text }) } } } },
    () => build,
  );

  const health = { description: "Whether it is well.", ...object({ status: text, database: text }) };
  app.get(
    "/healthz",
    { schema: { description: "Whether this process works, with its database.", response: { 200: health, 503: health } } },
    async (request, reply) => {
      try {
        await pool.query("SELECT 1");
        return { status: "ok", database: "ok" };
      } catch (error) {
        log("warning", `The database does not answer: ${error.message}`, { request_id: request.id });
        return reply.code(503).send({ status: "failing", database: "failing" });
      }
    },
  );

  app.get(
    "/metrics",
    { schema: { description: "Figures in Prometheus' text format.", response: { 200: document("text/plain") } } },
    async (request, reply) => reply.type(contentType).send(await render()),
  );

  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());

  app.get(
    "/api/items",
    { schema: { description: "What stands on the list.", response: { 200: { description: "The list.", ...object({ items: { type: "array", items: item } }) } } } },
    async () => ({ items: await items() }),
  );

  app.post(
    "/api/items",
    {
      schema: {
        description: "Puts something on the list.",
        body: object({ name }),
        response: { 201: { description: "It.", ...item }, 400: problem, 409: problem, 415: problem },
      },
    },
    async (request, reply) => {
      try {
        return reply.code(201).send(await add(request.body.name.trim(), request.id));
      } catch (error) {
        if (!(error instanceof ListFull)) throw error;
        return reply.code(409).send({ message: "The list is full. Remove something first.", request_id: request.id });
      }
    },
  );

  app.delete(
    "/api/items",
    {
      schema: {
        description: "Takes all of one name off the list.",
        querystring: object({ name }),
        response: { 204: none, 400: problem, 404: problem },
      },
    },
    async (request, reply) => ((await removeNamed(request.query.name, request.id)) ? reply.code(204).send() : missing(reply, request)),
  );

  app.patch(
    "/api/items/:id",
    {
      schema: {
        description: "Says whether it was bought.",
        params: object({ id }),
        body: object({ bought: { type: "boolean" } }),
        response: { 200: { description: "It.", ...item }, 400: problem, 404: problem, 415: problem },
      },
    },
    async (request, reply) => (await change(request.params.id, request.body.bought, request.id)) ?? missing(reply, request),
  );

  app.delete(
    "/api/items/:id",
    {
      schema: {
        description: "Takes something off the list.",
        params: object({ id }),
        response: { 204: none, 400: problem, 404: problem },
      },
    },
    async (request, reply) => ((await remove(request.params.id, request.id)) ? reply.code(204).send() : missing(reply, request)),
  );
}
