// A topic's card: its mean, the chart of its hours, the counts, and the same as a table.

import { LABELS, clockName, dayName, el, hourName, hourTime, mood, plural, score, svg, tone } from "./words.js";

const HEIGHT = 170;
const EDGE = { top: 10, right: 10, bottom: 48, left: 38 };
const FLOOR = HEIGHT - 22; // where the bars stand
const TALLEST = 20;
const SCALES = [0.25, 0.5, 0.75, 1];
let numbers = 0;

// One scale for all topics, so that their charts can be compared.
export function scaleOf(topics) {
  const means = Object.values(topics).flatMap((topic) => topic.hours.map((hour) => Math.abs(hour.mean_score ?? 0)));
  const most = Math.max(0, ...means);
  return SCALES.find((scale) => most <= scale) ?? 1;
}

export class Card {
  #root;
  #plot;
  #scrub;
  #readout;
  #data = null;
  #scale = 1;
  #at = null; // the hour that is read, where one is
  #id = `clip-${numbers++}`;

  constructor(root) {
    this.#root = root;
    this.#plot = root.querySelector(".plot");
    this.#scrub = root.querySelector("input");
    this.#readout = root.querySelector(".readout");
    new ResizeObserver(() => this.#draw()).observe(this.#plot);
    this.#plot.addEventListener("pointermove", (event) => this.#read(this.#hourAt(event)));
    this.#plot.addEventListener("pointerdown", (event) => this.#read(this.#hourAt(event)));
    this.#plot.addEventListener("pointerleave", () => this.#read(null));
    this.#scrub.addEventListener("input", () => this.#read(Number(this.#scrub.value)));
    this.#scrub.addEventListener("focus", () => this.#read(Number(this.#scrub.value)));
    this.#scrub.addEventListener("blur", () => this.#read(null));
    root.querySelector("details").addEventListener("toggle", () => this.#table());
  }

  show(data, scale) {
    const longer = this.#data && this.#data.hours.length !== data.hours.length;
    this.#data = data;
    this.#scale = scale;
    this.#scrub.max = data.hours.length - 1;
    if (longer || document.activeElement !== this.#scrub) this.#scrub.value = data.hours.length - 1;
    this.#head();
    this.#counts();
    this.#table();
    this.#draw();
  }

  #head() {
    const mean = this.#data.mean_score;
    this.#root.dataset.tone = tone(mean);
    this.#root.querySelector(".mean-score").textContent = mean === null ? "" : score(mean);
    this.#root.querySelector(".mean-word").textContent = mood(mean);
  }

  #counts() {
    const shares = LABELS.map((label) => {
      const share = el("span", { class: label });
      share.style.flexGrow = this.#data[label];
      return share;
    });
    this.#root.querySelector(".shares").replaceChildren(...shares.filter((share) => share.style.flexGrow !== "0"));
    const counts = LABELS.map((label) =>
      el("li", { class: label }, el("span", { class: "mark", "aria-hidden": "true" }), el("strong", {}, this.#data[label].toLocaleString("en")), el("span", {}, label)));
    this.#root.querySelector(".counts").replaceChildren(...counts);
  }

  // Made where it is read alone: it is long, and made again with each item that comes.
  #table() {
    if (!this.#data || !this.#root.querySelector("details").open) return;
    const rows = this.#data.hours.toReversed().map((hour) =>
      el("tr", {},
        el("th", { scope: "row" }, hourName(hour.hour)),
        ...[score(hour.mean_score), hour.count, hour.positive, hour.neutral, hour.negative].map((value) => el("td", {}, value.toLocaleString("en")))));
    this.#root.querySelector("tbody").replaceChildren(...rows);
  }

  #draw() {
    const width = this.#plot.clientWidth;
    if (!this.#data || !width) return;
    const place = new Place(width, this.#data.hours.length, this.#scale);
    const chart = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-labelledby": `${this.#id}-title`, "aria-describedby": `${this.#id}-desc` },
      svg("title", { id: `${this.#id}-title` }, `Mean score of ${this.#root.dataset.topic}, hour by hour`),
      svg("desc", { id: `${this.#id}-desc` }, this.#description()),
      ...axes(place, this.#data.hours),
      ...bars(place, this.#data.hours),
      ...curve(place, this.#data.hours, this.#id),
      ...(this.#data.count ? [] : [svg("text", { class: "tick", x: width / 2, y: place.zero - 10, "text-anchor": "middle" }, "no items in this time")]),
      ...this.#cursor(place));
    this.#plot.replaceChildren(chart);
    this.#tell();
  }

  #description() {
    const { count, mean_score: mean, hours } = this.#data;
    if (!count) return "Nothing was analyzed in this time.";
    const counted = hours.filter((hour) => hour.count);
    const best = counted.reduce((a, b) => (b.mean_score > a.mean_score ? b : a));
    const worst = counted.reduce((a, b) => (b.mean_score < a.mean_score ? b : a));
    return `${plural(count, "item")}, mean ${score(mean)}. Highest ${score(best.mean_score)} at ${hourName(best.hour)}, `
      + `lowest ${score(worst.mean_score)} at ${hourName(worst.hour)}.`;
  }

  #cursor(place) {
    if (this.#at === null) return [];
    const x = place.x(this.#at);
    const mean = this.#data.hours[this.#at].mean_score;
    return [
      svg("line", { class: "cursor", x1: x, x2: x, y1: EDGE.top, y2: FLOOR }),
      mean === null ? null : svg("circle", { class: `point ${tone(mean)}`, cx: x, cy: place.y(mean), r: 4.5 }),
    ].filter(Boolean);
  }

  #hourAt(event) {
    if (!this.#data) return null;
    const box = this.#plot.getBoundingClientRect();
    return new Place(box.width, this.#data.hours.length, this.#scale).nearest(event.clientX - box.left);
  }

  #read(at) {
    if (!this.#data) return;
    const focused = document.activeElement === this.#scrub;
    this.#at = at === null && focused ? Number(this.#scrub.value) : at;
    if (this.#at !== null) this.#scrub.value = this.#at;
    this.#draw();
  }

  #tell() {
    this.#at = this.#at === null ? null : Math.min(this.#at, this.#data.hours.length - 1);
    const hour = this.#data.hours[Number(this.#scrub.value)];
    const said = `${hourName(hour.hour)}: ${hour.count ? `${score(hour.mean_score)} from ${plural(hour.count, "item")}` : "no items"}`;
    this.#scrub.setAttribute("aria-valuetext", said);
    this.#readout.textContent = this.#at === null ? "Mean score by hour; bars are how much was read" : said;
  }
}

class Place {
  constructor(width, count, scale) {
    this.width = width;
    this.count = count;
    this.scale = scale;
    this.step = (width - EDGE.left - EDGE.right) / Math.max(1, count - 1);
    this.zero = this.y(0);
  }

  x(index) {
    return EDGE.left + index * this.step;
  }

  y(value) {
    const half = (HEIGHT - EDGE.top - EDGE.bottom) / 2;
    return EDGE.top + half - (value / this.scale) * half;
  }

  nearest(x) {
    return Math.min(this.count - 1, Math.max(0, Math.round((x - EDGE.left) / this.step)));
  }
}

function axes(place, hours) {
  const right = place.width - EDGE.right;
  const levels = [place.scale, 0, -place.scale].flatMap((value) => [
    svg("line", { class: value ? "grid" : "zero", x1: EDGE.left, x2: right, y1: place.y(value), y2: place.y(value) }),
    svg("text", { class: "tick", x: EDGE.left - 6, y: place.y(value) + 3.5, "text-anchor": "end" },
      value ? `${value > 0 ? "+" : "\u2212"}${Math.abs(value)}` : "0"),
  ]);
  const last = hours.length - 1;
  const name = hours.length > 24 ? dayName : clockName;
  const named = [0, Math.round(last / 3), Math.round((2 * last) / 3)].filter((index, at, all) => all.indexOf(index) === at && index < last);
  const marks = named.map((index) =>
    svg("text", { class: "tick", x: place.x(index), y: HEIGHT - 6, "text-anchor": index ? "middle" : "start" }, name(hours[index].hour)));
  const now = Date.now() - hourTime(hours[last].hour).getTime() < 7_200_000;
  marks.push(svg("text", { class: "tick", x: right, y: HEIGHT - 6, "text-anchor": "end" }, now ? "now" : name(hours[last].hour)));
  return [...levels, ...marks];
}

// How much was counted, along the bottom: a mean of one item says less than a mean of fifty.
function bars(place, hours) {
  const most = Math.max(1, ...hours.map((hour) => hour.count));
  const width = Math.max(1, Math.min(10, place.step * 0.6));
  return hours.map((hour, index) => {
    const height = (hour.count / most) * TALLEST;
    return svg("rect", { class: "bar", x: place.x(index) - width / 2, y: FLOOR - height, width, height });
  });
}

// One line and area per run of hours that have a mean; above zero in one colour, below in the other.
function curve(place, hours, id) {
  const runs = runsOf(hours);
  const line = runs.map((run) => run.map((index, at) => `${at ? "L" : "M"}${place.x(index)} ${place.y(hours[index].mean_score)}`).join("")).join("");
  const area = runs.filter((run) => run.length > 1).map((run) =>
    `M${place.x(run[0])} ${place.zero}${run.map((index) => `L${place.x(index)} ${place.y(hours[index].mean_score)}`).join("")}L${place.x(run.at(-1))} ${place.zero}Z`).join("");
  const lone = runs.filter((run) => run.length === 1).map(([index]) =>
    svg("circle", { class: `point ${tone(hours[index].mean_score)}`, cx: place.x(index), cy: place.y(hours[index].mean_score), r: 3 }));
  const clips = [["positive", 0, place.zero], ["negative", place.zero, HEIGHT - place.zero]];
  return [
    ...clips.map(([name, y, height]) => svg("clipPath", { id: `${id}-${name}` }, svg("rect", { x: 0, y, width: place.width, height }))),
    ...clips.map(([name]) => svg("path", { class: `area ${name}`, d: area, "clip-path": `url(#${id}-${name})` })),
    ...clips.map(([name]) => svg("path", { class: `line ${name}`, d: line, "clip-path": `url(#${id}-${name})` })),
    ...lone,
  ];
}

function runsOf(hours) {
  const runs = [];
  hours.forEach((hour, index) => {
    if (hour.mean_score === null) return;
    if (runs.length && runs.at(-1).at(-1) === index - 1) runs.at(-1).push(index);
    else runs.push([index]);
  });
  return runs;
}
