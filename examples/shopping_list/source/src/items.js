// What stands on the list. Each change leaves one event, in the same transaction, that says nothing of who made it.
import { pool, transaction } from "./database.js";
import { build } from "./settings.js";

const columns = "id::text, name, bought";
const most = 500;

export class ListFull extends Error {}

export async function items() {
  const found = await pool.query(`SELECT ${columns} FROM items ORDER BY items.id LIMIT ${most}`);
  return found.rows;
}

export function add(name, requestId) {
  return transaction(async (client) => {
    const count = await client.query("SELECT count(*)::int AS count FROM items");
    if (count.rows[0].count >= most) throw new ListFull();
    const made = await client.query(`INSERT INTO items (name) VALUES ($1) RETURNING ${columns}`, [name]);
    await record(client, "add", requestId);
    return made.rows[0];
  });
}

export function change(id, bought, requestId) {
  return transaction(async (client) => {
    const changed = await client.query(`UPDATE items SET bought = $2 WHERE id = $1 RETURNING ${columns}`, [id, bought]);
    if (changed.rowCount) await record(client, "change", requestId);
    return changed.rows[0];
  });
}

export function remove(id, requestId) {
  return transaction(async (client) => {
    const gone = await client.query("DELETE FROM items WHERE id = $1", [id]);
    if (gone.rowCount) await record(client, "remove", requestId);
    return gone.rowCount > 0;
  });
}

export function removeNamed(name, requestId) {
  return transaction(async (client) => {
    const gone = await client.query("DELETE FROM items WHERE name = $1", [name]);
    if (gone.rowCount) await record(client, "remove", requestId);
    return gone.rowCount > 0;
  });
}

async function record(client, kind, requestId) {
  await client.query("INSERT INTO events (kind, request_id, release) VALUES ($1, $2, $3)", [kind, requestId, build.release]);
}
