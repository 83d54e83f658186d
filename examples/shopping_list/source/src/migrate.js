// The schema: node src/migrate.js upgrade | downgrade <id> | heads | current | check
import { readFileSync, readdirSync } from "node:fs";
import pg from "pg";
import { databaseUrl, root } from "./settings.js";

const folder = new URL("migrations/", root);
const ids = readdirSync(folder).filter((file) => /^\d{4}_\w+\.sql$/.test(file)).map((file) => file.replace(".sql", "")).sort();
const sql = (file) => readFileSync(new URL(file, folder), "utf8");

async function current(client) {
  const there = await client.query("SELECT to_regclass('public.migrations') AS there");
  if (!there.rows[0].there) return [];
  const found = (await client.query("SELECT id FROM migrations ORDER BY id")).rows.map((row) => row.id);
  const unknown = found.filter((id) => !ids.includes(id));
  if (unknown.length) throw new Error(`the schema has ${unknown.join(", ")}, which this code does not know`);
  return found;
}

// Each migration is a transaction of its own, with the line that says that it ran.
async function step(client, text, note, id) {
  await client.query("BEGIN");
  await client.query(text);
  await client.query(note, [id]);
  await client.query("COMMIT");
}

async function upgrade(client) {
  await client.query("CREATE TABLE IF NOT EXISTS migrations (id text PRIMARY KEY, ran timestamptz NOT NULL DEFAULT now())");
  const have = await current(client);
  for (const id of ids.filter((each) => !have.includes(each))) await step(client, sql(`${id}.sql`), "INSERT INTO migrations (id) VALUES ($1)", id);
}

async function downgrade(client, head) {
  if (!ids.includes(head)) throw new Error(`there is no migration ${head}`);
  const away = (await current(client)).filter((id) => id > head).reverse();
  for (const id of away) await step(client, sql(`down/${id}.sql`), "DELETE FROM migrations WHERE id = $1", id);
}

// The columns that there are, against those that the code is written for.
async function check(client) {
  const query = `SELECT table_name || '.' || column_name || ' ' || data_type AS column FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> 'migrations' ORDER BY 1`;
  const found = (await client.query(query)).rows.map((row) => row.column).sort();
  const wanted = sql("columns.txt").trim().split("\n").sort();
  const differences = [
    ...wanted.filter((each) => !found.includes(each)).map((each) => `lacks ${each}`),
    ...found.filter((each) => !wanted.includes(each)).map((each) => `has ${each}`),
  ];
  if (differences.length) throw new Error(`the schema ${differences.join(", ")}`);
}

const [command, argument] = process.argv.slice(2);
const client = new pg.Client({ connectionString: databaseUrl });
try {
  await client.connect();
  if (command === "upgrade") await upgrade(client);
  else if (command === "downgrade") await downgrade(client, argument);
  else if (command === "heads") console.log(ids.at(-1));
  else if (command === "current") console.log((await current(client)).at(-1) ?? "");
  else if (command === "check") await check(client);
  else throw new Error("upgrade, downgrade <id>, heads, current or check?");
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await client.end();
}
