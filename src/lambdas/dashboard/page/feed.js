// The list of items, newest first; what comes live finds its place by position, and nothing is in it twice.

import { absolute, el, relative, safeLink, score } from "./words.js";

const MOST = 300; // what a page that stays open for days keeps
const FRESH = 20_000;

export class Feed {
  #list;
  #rows = new Map(); // id to {item, node}
  cursor = null;

  constructor(list) {
    this.#list = list;
    setInterval(() => this.#age(), 10_000);
  }

  get size() {
    return this.#rows.size;
  }

  has(item) {
    return this.#rows.has(item.id);
  }

  clear() {
    this.#list.replaceChildren();
    this.#rows.clear();
    this.cursor = null;
  }

  // A page of the API that follows what is there.
  append(items, cursor) {
    for (const item of items) this.#insert(item, false);
    this.cursor = cursor;
  }

  // The newest page again, after a pause: what is new goes on top, what is there stays.
  merge(items, cursor) {
    const oldest = items.at(-1);
    const overlap = !oldest || items.some((item) => this.#rows.has(item.id));
    if (this.size && overlap) {
      for (const item of items.toReversed()) this.add(item);
      return;
    }
    this.clear();
    this.append(items, cursor);
  }

  // True where it is new here. What is older than the end of the list comes with "load more".
  add(item) {
    if (this.#rows.has(item.id)) return false;
    const last = this.#list.lastElementChild;
    if (this.cursor && last && item.position < last.dataset.position) return false;
    this.#insert(item, true);
    this.#trim();
    return true;
  }

  #insert(item, fresh) {
    if (this.#rows.has(item.id)) return;
    const node = row(item, fresh);
    const older = fresh ? [...this.#list.children].find((other) => other.dataset.position < item.position) : null;
    this.#list.insertBefore(node, older ?? null);
    this.#rows.set(item.id, { item, node });
    if (fresh) setTimeout(() => node.classList.remove("fresh"), FRESH);
  }

  #trim() {
    if (this.size <= MOST) return;
    const last = this.#list.lastElementChild;
    if (last.contains(document.activeElement)) return;
    this.#rows.delete(last.dataset.id);
    last.remove();
    this.cursor = this.#list.lastElementChild.dataset.position;
  }

  #age() {
    const now = Date.now();
    for (const { item, node } of this.#rows.values()) {
      const time = node.querySelector("time");
      const text = relative(item.analyzed_at, now);
      if (time.textContent !== text) time.textContent = text;
    }
  }
}

function row(item, fresh) {
  const link = safeLink(item.url);
  const title = link ? el("a", { href: link, rel: "noopener noreferrer", target: "_blank" }, item.title) : item.title;
  const published = absolute(item.published_at);
  const when = `${published ? `Published ${published}. ` : ""}Analyzed ${absolute(item.analyzed_at)}`;
  return el("li", { class: `item ${item.label}${fresh ? " fresh" : ""}`, "data-id": item.id, "data-position": item.position },
    el("p", { class: "verdict" },
      el("span", { class: "label" }, el("span", { class: "mark", "aria-hidden": "true" }), item.label),
      " ",
      el("span", { class: "score", title: "From −1, wholly negative, to +1, wholly positive" }, score(item.score))),
    el("div", { class: "story" },
      el("h3", {}, title),
      item.description ? el("p", { class: "description" }, item.description) : null,
      el("p", { class: "about" },
        el("span", { class: "topic" }, item.topic),
        item.source ? el("span", {}, item.source) : null,
        el("time", { datetime: item.analyzed_at, title: when }, relative(item.analyzed_at)),
        el("span", { class: "new" }, "New"))));
}
