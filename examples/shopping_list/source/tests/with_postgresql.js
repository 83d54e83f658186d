// Runs a command with a PostgreSQL of its own, which ends with it: node tests/with_postgresql.js node --test tests/integration/list.test.js
// The command finds it in DATABASE_URL (rows only, as in production) and MIGRATION_DATABASE_URL (the owner). How many transactions the server
// itself has counted meanwhile goes into the JUnit report of the command: it shows who did the work.
import { spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:net";

const sql = `
CREATE ROLE shopping_owner LOGIN;
CREATE ROLE shopping LOGIN;
CREATE DATABASE shopping OWNER shopping_owner;
\\connect shopping
ALTER DEFAULT PRIVILEGES FOR ROLE shopping_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO shopping;
`;
// Debian keeps the server's programs off the PATH, and PostgreSQL refuses to run as root.
const debian = "/usr/lib/postgresql";
const programs = join(debian, readdirSync(debian).sort().at(-1), "bin");
const number = (option) => Number(spawnSync("id", [option, "postgres"], { encoding: "utf8" }).stdout);
const user = process.getuid() === 0 ? { uid: number("-u"), gid: number("-g") } : {};

function must(program, args, options = {}) {
  const done = spawnSync(join(programs, program), args, { encoding: "utf8", ...options });
  if (done.status !== 0) throw new Error(`${program}: ${done.stderr || done.error}`);
  return done.stdout;
}

const folder = mkdtempSync(join(tmpdir(), "shopping-"));
const [data, log] = [join(folder, "data"), join(folder, "log")];
if (user.uid) chownSync(folder, user.uid, user.gid);
const port = await new Promise((found) => {
  const listener = createServer().listen(0, "127.0.0.1", () => {
    const { port } = listener.address();
    listener.close(() => found(port));
  });
});
const psql = (words, options) =>
  must("psql", ["-qX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", String(port), "-U", "postgres", ...words], options);
const transactions = () => Number(psql(["-At", "-c", "SELECT xact_commit FROM pg_stat_database WHERE datname = 'shopping'"]));
const control = (...words) => must("pg_ctl", ["-D", data, "-w", "-l", log, ...words], { ...user, stdio: "ignore" });
try {
  must("initdb", ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"], user);
  control("-o", `-p ${port} -k ${folder} -c fsync=off -c listen_addresses=127.0.0.1`, "start");
  psql([], { input: sql });
  const address = (role) => `postgresql://${role}@127.0.0.1:${port}/shopping`;
  const env = { ...process.env, DATABASE_URL: address("shopping"), MIGRATION_DATABASE_URL: address("shopping_owner"), RELEASE_ID: "tests" };
  const [program, ...args] = process.argv.slice(2);
  const before = transactions();
  process.exitCode = await new Promise((ended) => spawn(program, args, { env, stdio: "inherit" }).on("exit", (code) => ended(code ?? 1)));
  const report = args.map((word) => word.split("--test-reporter-destination=")[1]).find((path) => path && existsSync(path));
  if (report) {
    const counted = `<property name="postgresql_transactions" value="${transactions() - before}"/>`;
    const suite = `<testsuite name="PostgreSQL" tests="0" failures="0" skipped="0"><properties>${counted}</properties></testsuite>`;
    writeFileSync(report, readFileSync(report, "utf8").replace("</testsuites>", `${suite}\n</testsuites>`));
  }
} finally {
  control("-m", "immediate", "stop");
  rmSync(folder, { recursive: true });
}
