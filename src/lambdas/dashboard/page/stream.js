// The live stream, read with fetch: EventSource cannot send the key in a header, and keys have no place in URLs.

import { delay } from "./api.js";
import { Parser } from "./sse.js";

const SILENCE = 45_000; // three heartbeats: whoever is silent for longer is gone
const STEADY = 5_000; // a connection that held this long was a good one

// States: connecting, live, waiting (seconds), offline, paused, key.
export class Stream {
  #url;
  #key;
  #said;
  #lastId;
  #retry = 3000;
  #failures = 0;
  #abort = null;
  #wake = () => {};
  #turn = 0; // of many: one that was stopped does nothing more
  #running = false;
  #state = "";

  // said: {state(name, {seconds, why}), event({event, data})}
  constructor({ url, said }) {
    this.#url = `${url}/api/stream`;
    this.#said = said;
    addEventListener("online", () => this.retry());
    addEventListener("offline", () => this.#abort?.abort("offline"));
  }

  // From the item after lastId on; with none, from now on.
  start(key, lastId) {
    this.stop();
    this.#key = key;
    this.#lastId = lastId;
    this.#failures = 0;
    this.resume();
  }

  stop() {
    this.#running = false;
    this.#turn += 1;
    this.#abort?.abort("stopped");
    this.#wake();
  }

  pause() {
    if (!this.#running) return;
    this.stop();
    this.#tell("paused");
  }

  resume() {
    if (this.#running) return;
    this.#running = true;
    this.#turn += 1;
    void this.#run(this.#turn);
  }

  retry() {
    this.#failures = 0;
    this.#wake();
  }

  get live() {
    return this.#state === "live";
  }

  #tell(name, more = {}) {
    this.#state = name;
    this.#said.state(name, more);
  }

  async #run(turn) {
    while (turn === this.#turn) {
      this.#abort = new AbortController();
      this.#tell("connecting");
      const end = await this.#once(this.#abort);
      if (turn !== this.#turn) return;
      if (end.kind === "key") {
        this.stop();
        this.#tell("key");
      } else if (end.kind !== "reconnect") {
        await this.#pauseFor(end, turn);
      }
    }
  }

  async #once(abort) {
    const since = performance.now();
    const watchdog = new Watchdog(SILENCE, () => abort.abort("silent"));
    try {
      const response = await fetch(this.#url, {
        headers: this.#headers(),
        cache: "no-store",
        credentials: "omit",
        signal: abort.signal,
      });
      if (response.status === 401) return { kind: "key" };
      if (response.status === 400 && this.#lastId) return this.#forgetPlace();
      if (!response.ok) return { kind: "refused", why: refusal(response.status), after: Number(response.headers.get("retry-after")) };
      if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return { kind: "refused", why: "not a stream" };
      this.#tell("live");
      const asked = await this.#read(response.body, watchdog);
      if (asked && performance.now() - since > 1000) return { kind: "reconnect" };
      return { kind: "ended" };
    } catch {
      return { kind: "lost" };
    } finally {
      watchdog.end();
      abort.abort();
      if (performance.now() - since > STEADY) this.#failures = 0;
    }
  }

  // The stream does not know the place where we were: what came since is with the API.
  #forgetPlace() {
    this.#lastId = "";
    this.#said.event({ event: "gap", data: "" });
    return { kind: "reconnect" };
  }

  #headers() {
    return {
      accept: "text/event-stream",
      ...(this.#key ? { "x-api-key": this.#key } : {}),
      ...(this.#lastId ? { "last-event-id": this.#lastId } : {}),
    };
  }

  // True: the server asked to be connected to again, which is no failure.
  async #read(body, watchdog) {
    let asked = false;
    const parser = new Parser({
      retry: (milliseconds) => { this.#retry = Math.min(Math.max(milliseconds, 500), 30_000); },
      position: (id) => { this.#lastId = id; },
      emit: (said) => {
        if (said.event === "reconnect") asked = true;
        this.#said.event(said);
      },
    });
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const reader = body.getReader();
    while (!asked) {
      const { done, value } = await reader.read();
      if (done) return false;
      watchdog.seen();
      parser.feed(decoder.decode(value, { stream: true }));
    }
    return true;
  }

  // Counts down where people see it; `retry` and a connection that comes back end it early.
  async #pauseFor({ why = "", after = 0 }, turn) {
    const wait = Math.max(delay(this.#failures, { first: this.#retry }), Math.min(after || 0, 300) * 1000);
    this.#failures += 1;
    const until = Date.now() + wait;
    let woken = false;
    while (!woken && turn === this.#turn) {
      const left = until - Date.now();
      if (navigator.onLine && left <= 0) return;
      if (navigator.onLine) this.#tell("waiting", { seconds: Math.ceil(left / 1000), why });
      else this.#tell("offline");
      woken = await new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), navigator.onLine ? Math.min(left, 1000) : 2_000);
        this.#wake = () => { clearTimeout(timer); resolve(true); };
      });
    }
  }
}

class Watchdog {
  #timer = 0;
  #patience;
  #bark;

  constructor(patience, bark) {
    this.#patience = patience;
    this.#bark = bark;
    this.seen();
  }

  seen() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#bark, this.#patience);
  }

  end() {
    clearTimeout(this.#timer);
  }
}

function refusal(status) {
  if (status === 429) return "too many readers";
  if (status === 503) return "stream not ready";
  return `error ${status}`;
}
