// The dashboard's own API, and what went wrong in words that say what to do.

const PATIENCE = 20_000;

export class Problem extends Error {
  constructor(kind, title, advice) {
    super(title);
    this.kind = kind;
    this.title = title;
    this.advice = advice;
  }
}

const BY_STATUS = {
  401: ["key", "The key is not accepted", "It may be mistyped, or have been replaced. Ask whoever runs this environment."],
  429: ["busy", "Too many requests right now", "The service is at its limit. It tries again by itself; please do not reload the page over and over."],
  503: ["unavailable", "The data cannot be read right now", "The service runs, but its table does not answer. It tries again by itself."],
};

export async function ask(path, parameters, key, signal) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== null));
  let response;
  try {
    response = await fetch(`${path}?${query}`, {
      headers: key ? { "x-api-key": key } : {},
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]),
    });
    if (response.ok) return await response.json();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Problem("unreachable", "The dashboard does not answer", "Check your connection. It tries again by itself.");
  }
  throw new Problem(...(BY_STATUS[response.status] ?? unexpected(response.status)));
}

function unexpected(status) {
  return ["unexpected", `The dashboard answered with an error (${status})`, "It tries again by itself. If this stays, its log says why."];
}

// Each failure in a row waits longer, and nobody in step with the others.
export function delay(failures, { first = 1000, most = 30_000 } = {}) {
  const longest = Math.min(most, first * 2 ** failures);
  return longest / 2 + Math.random() * (longest / 2);
}
