// Logs one error with the given text, as the web process does: shows whether errors are seen.
import { log } from "./log.js";

log("error", `Planted to see whether errors are seen: ${process.argv[2]}`);
