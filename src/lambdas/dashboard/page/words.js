// Elements and texts. Data becomes text nodes and attributes, never markup.

export const LABELS = ["positive", "neutral", "negative"];

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  return filled(node, attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  return filled(node, attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

// Only what leads to another page: an article's URL comes from outside.
export function safeLink(url) {
  if (!URL.canParse(url)) return null;
  const parsed = new URL(url);
  return ["http:", "https:"].includes(parsed.protocol) ? parsed.href : null;
}

export function score(value) {
  if (value === null) return "none";
  const text = Math.abs(value).toFixed(2);
  if (Number(text) === 0) return text;
  return (value > 0 ? "+" : "\u2212") + text;
}

export function tone(value) {
  if (value === null) return "neutral";
  if (Math.abs(value) < 0.05) return "neutral";
  return value > 0 ? "positive" : "negative";
}

export function mood(value) {
  if (value === null) return "nothing analyzed";
  if (tone(value) === "neutral") return "balanced";
  return `${Math.abs(value) < 0.3 ? "leaning " : ""}${tone(value)}`;
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

const DAY_AND_TIME = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
const HOUR = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric" });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

export function absolute(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? "" : DAY_AND_TIME.format(at);
}

export function relative(text, now = Date.now()) {
  const seconds = (now - new Date(text).getTime()) / 1000;
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return RELATIVE.format(-Math.floor(seconds / length), unit);
  }
  return seconds >= 10 ? RELATIVE.format(-Math.floor(seconds), "second") : "just now";
}

// An hour of the API, such as 2026-11-21T15Z.
export const hourTime = (hour) => new Date(hour.replace("Z", ":00Z"));
export const hourName = (hour) => HOUR.format(hourTime(hour));
export const clockName = (hour) => CLOCK.format(hourTime(hour));
export const dayName = (hour) => DAY.format(hourTime(hour));

// Tells a screen reader what came, in a sentence every ten seconds at most however much comes.
export class Announcer {
  #node;
  #items = [];
  #timer = 0;

  constructor(node) {
    this.#node = node;
  }

  say(text) {
    this.#node.textContent = text;
  }

  item(item) {
    this.#items.push(item);
    this.#timer ||= setTimeout(() => this.#flush(), 10_000);
    if (this.#items.length === 1 && !this.#node.textContent) this.#flush();
  }

  #flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const newest = this.#items.at(-1);
    if (newest) this.say(`${plural(this.#items.length, "new item")}. ${newest.label}: ${newest.title}`);
    this.#items = [];
  }
}
