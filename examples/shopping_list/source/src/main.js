// The web process: node src/main.js <path of the socket to listen on>
import { rmSync } from "node:fs";
import { makeApp } from "./app.js";
import { pool } from "./database.js";
import { log } from "./log.js";

const path = process.argv[2];
const app = await makeApp();
// One of a process that was killed would be in the way.
rmSync(path, { force: true });
await app.listen({ path, readableAll: true, writableAll: true });
log("info", `Listening on ${path}`);

process.once("SIGTERM", async () => {
  await app.close();
  await pool.end();
});
