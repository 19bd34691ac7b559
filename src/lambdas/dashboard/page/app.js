// The page: loads what there is, follows what comes, and says at any time how it stands.

import { Problem, ask, delay } from "./api.js";
import { Card, scaleOf } from "./chart.js";
import { Feed } from "./feed.js";
import { Stream } from "./stream.js";
import { Announcer, LABELS, el, plural, score } from "./words.js";

const PAGE = 30;
const STORED = "sentiment-api-key";
const HIDDEN_FOR = 120_000; // a tab that nobody looks at costs a stream: it is paused
const SUMMARY_EVERY = 20_000;

const $$ = (id) => document.getElementById(id);
const said = (name) => document.querySelector(`meta[name="${name}"]`).content;

const streamUrl = said("stream-url");
const filters = $$("filters");
const feed = new Feed($$("feed"));
const announcer = new Announcer($$("announcer"));
const cards = new Map([...document.querySelectorAll(".card")].map((root) => [root.dataset.topic, new Card(root)]));
const stream = streamUrl ? new Stream({ url: streamUrl, said: { state: streamIs, event: heard } }) : null;

let key = sessionStorage.getItem(STORED) ?? "";
let hours = 24;
let newest = ""; // position of the newest item known, whatever is filtered
let everything = true; // whether `newest` is surely that
let wasLive = false;
let lastSummary = 0;
let summaryTimer = 0;

// --- Loading: one at a time of each kind; a failure tries again by itself, each time later. ---

class Loader {
  #work;
  #problem;
  #failures = 0;
  #timer = 0;
  #abort = new AbortController();

  constructor(work, problem) {
    this.#work = work;
    this.#problem = problem;
  }

  get failing() {
    return this.#failures > 0;
  }

  stop() {
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#failures = 0;
    this.#problem.hidden = true;
  }

  async run(...how) {
    clearTimeout(this.#timer);
    this.#abort.abort();
    const abort = (this.#abort = new AbortController());
    try {
      await this.#work(abort.signal, ...how);
      this.#failures = 0;
      this.#problem.hidden = true;
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      if (error.kind === "key") return lock("wrong");
      this.#failed(error, how);
    }
  }

  #failed(problem, how) {
    const again = () => this.run(...how);
    this.#timer = setTimeout(again, delay(this.#failures++, { first: 4000, most: 60_000 }));
    if (!this.#problem.hidden && this.#problem.dataset.problem === problem.kind) return;
    this.#problem.dataset.problem = problem.kind;
    notice(this.#problem, problem.title, problem.advice, ["Try again", again]);
  }
}

const items = new Loader(loadItems, $$("items-problem"));
const summaries = new Loader(loadSummary, $$("topics-problem"));

async function loadItems(signal, how = "replace") {
  const chosen = filter();
  const cursor = how === "more" ? feed.cursor : null;
  $$("feed").setAttribute("aria-busy", "true");
  $$("more").disabled = true;
  $$("items-loading").hidden = how === "more" || feed.size > 0;
  try {
    const page = await ask("api/items", { ...chosen, cursor, limit: PAGE }, key, signal);
    if (how === "more") more(page);
    else if (how === "merge") feed.merge(page.items, page.cursor);
    else { feed.clear(); feed.append(page.items, page.cursor); }
    if (how !== "more") noteNewest(page.items[0], chosen);
    shown();
    $$("forget").hidden = !key;
  } finally {
    if (!signal.aborted) {
      $$("items-loading").hidden = true;
      $$("more").disabled = false;
      $$("feed").setAttribute("aria-busy", "false");
    }
  }
}

function more(page) {
  const first = page.items.find((item) => !feed.has(item));
  feed.append(page.items, page.cursor);
  announcer.say(`${plural(page.items.length, "older item")} loaded.`);
  // The button moves away, or goes: the reader goes on with the first of the new ones.
  if (first) $$("feed").querySelector(`[data-id="${CSS.escape(first.id)}"] a`)?.focus({ preventScroll: true });
}

async function loadSummary(signal) {
  draw(await ask("api/summary", { hours }, key, signal));
}

function draw(summary) {
  lastSummary = Date.now();
  const scale = scaleOf(summary.topics);
  for (const [topic, data] of Object.entries(summary.topics)) cards.get(topic)?.show(data, scale);
  const topics = Object.values(summary.topics);
  const count = topics.reduce((sum, topic) => sum + topic.count, 0);
  if (!count) {
    $$("overall").textContent = `Nothing was analyzed in the last ${spanName(summary.window.hours)}.`;
    return;
  }
  const mean = topics.reduce((sum, topic) => sum + (topic.mean_score ?? 0) * topic.count, 0) / count;
  const shares = LABELS.map((label) => `${Math.round((100 * topics.reduce((sum, topic) => sum + topic[label], 0)) / count)} % ${label}`);
  $$("overall").textContent = `${plural(count, "item")} in the last ${spanName(summary.window.hours)}: ${shares.join(", ")}. Mean score ${score(mean)}, on a scale from −1 to +1.`;
}

const spanName = (count) => (count > 24 ? `${count / 24} days` : `${count} hours`);

function noteNewest(item, chosen) {
  everything = !chosen.topic && !chosen.label;
  if (item && item.position > newest) newest = item.position;
}

// --- The stream ---

function startStream() {
  if (!stream) return connectionIs("none");
  stream.start(key, everything ? newest : "");
}

function heard({ event, data }) {
  if (event === "item") return itemCame(JSON.parse(data));
  if (event === "summary") return summaryCame(JSON.parse(data));
  if (event === "gap") {
    // The stream cannot go back as far as we were away: the API can.
    void items.run("merge");
    void summaries.run();
  }
}

function itemCame(item) {
  const chosen = filter();
  const fits = (!chosen.topic || chosen.topic === item.topic) && (!chosen.label || chosen.label === item.label);
  if (fits && feed.add(item)) {
    announcer.item(item);
    shown();
  }
}

function summaryCame(summary) {
  if (summary.window.hours === hours) return draw(summary);
  // It is of another span than the charts show: ask for ours, now and then.
  const wait = Math.max(0, lastSummary + SUMMARY_EVERY - Date.now());
  summaryTimer ||= setTimeout(() => { summaryTimer = 0; void summaries.run(); }, wait);
}

const CONNECTION = {
  none: "No stream configured",
  starting: "Starting",
  connecting: "Connecting",
  live: "Live",
  offline: "Offline",
  paused: "Paused",
  key: "Waiting for a key",
};

function streamIs(state, more) {
  if (state === "key") lock("wrong");
  else connectionIs(state, more);
}

function connectionIs(state, { seconds = 0, why = "" } = {}) {
  const before = $$("connection").dataset.state;
  $$("connection").dataset.state = state;
  $$("connection-text").textContent = state === "waiting" ? `Reconnecting in ${seconds} s${why ? ` (${why})` : ""}` : CONNECTION[state];
  $$("connection").title = state === "none" ? "This page is not live: use Refresh to see what is new." : "";
  $$("retry").hidden = state !== "waiting";
  if (state === "live") cameLive();
  if (state === before) return;
  if (["waiting", "offline"].includes(state) && before === "live") announcer.say("The live connection is lost. It is tried again by itself.");
}

function cameLive() {
  if (wasLive) announcer.say("Live again.");
  // Without a place to go on from, what came while connecting is with the API alone.
  if (!everything || !newest || items.failing) void items.run("merge");
  if (summaries.failing) void summaries.run();
  wasLive = true;
}

// --- What is shown ---

function notice(node, title, text, ...actions) {
  const buttons = actions.map(([name, act]) => {
    const button = el("button", { type: "button" }, name);
    button.addEventListener("click", act);
    return button;
  });
  node.replaceChildren(el("h3", {}, title), el("p", {}, text), ...buttons);
  node.hidden = false;
}

function shown() {
  $$("more").hidden = !feed.cursor;
  $$("more").textContent = feed.size ? "Load more" : "Look further back";
  const empty = $$("items-empty");
  if (feed.size) {
    empty.hidden = true;
    return;
  }
  if (!empty.hidden) return;
  const { topic, label } = filter();
  if (topic || label) notice(empty, "Nothing fits the filter", feed.cursor ? EMPTY.further : EMPTY.filter, ["Show all items", clearFilters]);
  else notice(empty, "No items yet", stream ? EMPTY.live : EMPTY.notLive);
}

const EMPTY = {
  live: "News is fetched on a schedule, and each item appears here by itself once a model has read it. "
    + "If this stays empty for an hour, look at the log of the ingestion function.",
  notLive: "News is fetched on a schedule. Use Refresh to see whether something has come.",
  filter: "No item that is kept fits. New ones appear here by themselves.",
  further: "Nothing among the newest items fits. There may be older ones.",
};

function filter() {
  const chosen = new FormData(filters);
  return { topic: chosen.get("topic") ?? "", label: chosen.get("label") ?? "" };
}

function clearFilters() {
  filters.reset();
  filtersChanged();
  filters.elements.topic.focus();
}

function filtersChanged() {
  const query = new URLSearchParams(Object.entries(filter()).filter(([, value]) => value));
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  feed.clear();
  $$("items-empty").hidden = true;
  void items.run();
}

function filtersFromAddress() {
  const query = new URLSearchParams(location.search);
  const has = (name, value) => [...filters.elements[name]].some((choice) => choice.value === value);
  for (const name of ["topic", "label"]) {
    const value = query.get(name) ?? "";
    if (has(name, value)) filters.elements[name].value = value;
  }
}

// --- The key ---

function lock(why) {
  items.stop();
  summaries.stop();
  stream?.stop();
  sessionStorage.removeItem(STORED);
  document.body.classList.add("is-locked");
  $$("locked").hidden = false;
  $$("forget").hidden = true;
  $$("key-problem").textContent = why === "wrong" && key ? "This key is not accepted. It may be mistyped, or have been replaced." : "";
  $$("key").toggleAttribute("aria-invalid", why === "wrong" && Boolean(key));
  key = "";
  feed.clear();
  connectionIs("key");
  $$("key").value = "";
  $$("key").focus();
}

async function open() {
  document.body.classList.remove("is-locked");
  $$("locked").hidden = true;
  newest = "";
  wasLive = false;
  const loading = items.run();
  void summaries.run();
  await loading;
  if (!document.body.classList.contains("is-locked")) startStream();
}

$$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $$("key").value.trim();
  if (!key) return;
  sessionStorage.setItem(STORED, key);
  void open();
});

// --- What people do ---

$$("forget").addEventListener("click", () => { key = ""; lock("forgotten"); });
$$("retry").addEventListener("click", () => stream.retry());
$$("refresh").addEventListener("click", () => { void items.run("merge"); void summaries.run(); });
$$("more").addEventListener("click", () => void items.run("more"));
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("change", filtersChanged);
$$("window").addEventListener("change", (event) => {
  hours = Number(event.target.value);
  void summaries.run();
});

let hiddenTimer = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.visibilityState === "hidden") hiddenTimer = setTimeout(() => stream?.pause(), HIDDEN_FOR);
  else if ($$("connection").dataset.state === "paused") stream.resume();
});
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

filtersFromAddress();
if (said("api-key") && !key) lock("missing");
else void open();
