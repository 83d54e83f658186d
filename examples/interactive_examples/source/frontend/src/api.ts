// The application's API. Every failure becomes an Error whose message can be shown to people.

export type Language = "python" | "javascript";

export interface ExampleSummary {
  slug: string;
  title: string;
  description: string;
  language: Language;
}

export interface ExampleDetail extends ExampleSummary {
  code: string;
}

export interface Outcome {
  stdout: string;
  stderr: string;
  exit_code: number;
  timed_out: boolean;
  truncated: boolean;
}

export interface Account {
  id: number;
  username: string;
  is_admin: boolean;
}

export interface User extends Account {
  created_at: string;
}

export interface Result {
  id: number;
  example: string;
  code: string;
  stdout: string;
  stderr: string;
  exit_code: number;
  created_at: string;
}

export interface Activity {
  id: number;
  kind: string;
  user_id: number | null;
  created_at: string;
}

export interface Popularity {
  slug: string;
  runs: number;
}

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw new ApiError("The server cannot be reached. Check your connection and try again.", 0);
  }
  if (!response.ok) {
    throw new ApiError(await messageOf(response), response.status);
  }
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}

async function messageOf(response: Response): Promise<string> {
  try {
    const problem: unknown = await response.json();
    if (typeof problem === "object" && problem !== null && "message" in problem) {
      return String(problem.message);
    }
  } catch {
    // Not from the application: a proxy's page, for example.
  }
  return response.status === 429
    ? "Too many requests. Wait a moment and try again."
    : "The service is not available at the moment. Try again soon.";
}

export const listExamples = () => request<ExampleSummary[]>("GET", "/api/examples");
export const loadExample = (slug: string) => request<ExampleDetail>("GET", `/api/examples/${slug}`);
export const loadPopularity = () => request<Popularity[]>("GET", "/api/popularity");
export const run = (language: Language, code: string, example: string) =>
  request<Outcome>("POST", "/api/run", { language, code, example });

export const logIn = (username: string, password: string) =>
  request<Account>("POST", "/api/login", { username, password });
export const logOut = () => request<void>("POST", "/api/logout");

export const loadSession = () => request<{ account: Account | null }>("GET", "/api/session");

export const listResults = () => request<Result[]>("GET", "/api/results");
export const saveResult = (result: Omit<Result, "id" | "created_at">) => request<Result>("POST", "/api/results", result);
export const deleteResult = (id: number) => request<void>("DELETE", `/api/results/${id}`);

export const listUsers = () => request<User[]>("GET", "/api/admin/users");
export const createUser = (username: string, password: string) =>
  request<User>("POST", "/api/admin/users", { username, password });
export const deleteUser = (id: number) => request<void>("DELETE", `/api/admin/users/${id}`);
export const listActivity = () => request<Activity[]>("GET", "/api/admin/activity");
